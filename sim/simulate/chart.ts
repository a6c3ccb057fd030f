/**
 * Charts as SVG text: lines over time, and stacked bars. Pure, without scripts, with every text escaped. Colours are classes
 * whose values the page or `standaloneStyle` says, for light and dark alike.
 */

/** `tone`: its colour; absent: its place among the lines. */
export type Line = {
  readonly name: string
  readonly values: readonly number[]
  readonly tone?: number
  readonly isDashed?: boolean
}

const width = 760
const left = 64
const right = 12
const top = 14
const bottom = 30

export function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? '')
}

export const chartStyle = `
.chart text { font: 12px system-ui, sans-serif; fill: var(--ink, #222); }
.chart .grid { stroke: var(--grid, #ddd); stroke-width: 1; }
.chart polyline { fill: none; stroke-width: 1.5; }
${['#1f6feb', '#d1661c', '#2a9d4a', '#b5339b', '#8a6d00', '#0f8b8d', '#c0392b', '#6b6b6b']
  .map((color, at) => `.chart .s${at} { stroke: ${color}; } .chart .f${at} { fill: ${color}; stroke: none; }`)
  .join('\n')}
`

/** Of an SVG that is a file of its own. */
export const standaloneStyle = `${chartStyle}
svg { background: #fff; }
@media (prefers-color-scheme: dark) { svg { background: #15181c; --ink: #e6e6e6; --grid: #3a3f45; } }
`

export type ChartOptions = {
  readonly title: string
  readonly lines: readonly Line[]
  /** Between two values. */
  readonly intervalSeconds: number
  readonly unit: string
  readonly height?: number
  /** It stands in a file of its own. */
  readonly isStandalone?: boolean
}

export function lineChart({ title, lines, intervalSeconds, unit, height = 220, isStandalone }: ChartOptions): string {
  const count = Math.max(1, ...lines.map(({ values }) => values.length))
  const max = niceMax(Math.max(1, ...lines.flatMap(({ values }) => values)))
  const x = (at: number): number => left + ((width - left - right) * at) / Math.max(1, count - 1)
  const y = (value: number): number => height - bottom - ((height - top - bottom) * value) / max
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const at = y(part * max)
    const line = `<line class="grid" x1="${left}" x2="${width - right}" y1="${at.toFixed(1)}" y2="${at.toFixed(1)}"/>`
    return `${line}<text x="${left - 6}" y="${(at + 4).toFixed(1)}" text-anchor="end">${shortNumber(part * max)}</text>`
  })
  const paths = lines.map(({ values, tone, isDashed }, at) => {
    const points = values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(' ')
    return `<polyline class="s${(tone ?? at) % 8}"${isDashed ? ' stroke-dasharray="4 3"' : ''} points="${points}"/>`
  })
  const body = [...grid, ...timeTicks(count * intervalSeconds, height), ...paths].join('\n')
  return svg(
    { title: `${title} (${unit})`, height: height + legendHeight(lines), isStandalone },
    `${body}\n${legend(lines, height)}`,
  )
}

function timeTicks(seconds: number, height: number): readonly string[] {
  const day = 86_400
  const [unit, name] = seconds > 3 * day ? [day, 'd'] : [3600, 'h']
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
  const step = steps.find((one) => seconds / unit / one <= 16) ?? 1000
  const ticks = Math.floor(seconds / unit / step)
  return Array.from({ length: ticks + 1 }, (_, at) => {
    const x = left + ((width - left - right) * at * step * unit) / seconds
    return `<text x="${x.toFixed(1)}" y="${height - 10}" text-anchor="middle">${at * step} ${name}</text>`
  })
}

const perRow = 5

function legendHeight(lines: readonly Line[]): number {
  return 20 * Math.ceil(lines.length / perRow)
}

function legend(lines: readonly Line[], height: number): string {
  return lines
    .map(({ name, tone }, at) => {
      const x = left + (at % perRow) * 138
      const y = height + 20 * Math.floor(at / perRow)
      return `<rect class="f${(tone ?? at) % 8}" x="${x}" y="${y}" width="10" height="10"/><text x="${x + 15}" y="${y + 10}">${escaped(name)}</text>`
    })
    .join('\n')
}

export type Bar = { readonly name: string; readonly parts: readonly number[] }

/** One bar per row, all on one scale; `names`: of the parts. */
export function barChart(
  title: string,
  names: readonly string[],
  bars: readonly Bar[],
  { unit, isStandalone }: { readonly unit: string; readonly isStandalone?: boolean },
): string {
  const max = Math.max(1e-9, ...bars.map(({ parts }) => parts.reduce((sum, one) => sum + one, 0)))
  const nameWidth = 120
  const scale = (width - nameWidth - 90) / max
  const rows = bars.map(({ name, parts }, row) => {
    let from = nameWidth
    const y = top + row * 26
    const pieces = parts.map((part, at) => {
      const x = from
      from += part * scale
      return `<rect class="f${at % 8}" x="${x.toFixed(1)}" y="${y}" width="${(part * scale).toFixed(1)}" height="18"/>`
    })
    const sum = parts.reduce((total, one) => total + one, 0)
    const label = `<text x="${nameWidth - 8}" y="${y + 13}" text-anchor="end">${escaped(name)}</text>`
    return `${label}${pieces.join('')}<text x="${(from + 6).toFixed(1)}" y="${y + 13}">${shortNumber(sum)}</text>`
  })
  const lines = names.map((name) => ({ name, values: [] }))
  const height = top + bars.length * 26 + 8
  return svg(
    { title: `${title} (${unit})`, height: height + legendHeight(lines), isStandalone },
    `${rows.join('\n')}\n${legend(lines, height)}`,
  )
}

function svg(
  { title, height, isStandalone = false }: { title: string; height: number; isStandalone?: boolean },
  body: string,
): string {
  const name = escaped(title)
  const head = `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${name}">`
  return `${head}<title>${name}</title>${isStandalone ? `<style>${standaloneStyle}</style>` : ''}\n${body}\n</svg>`
}

/** 1, 2, 2.5 or 5 times a power of ten. */
function niceMax(max: number): number {
  const power = 10 ** Math.floor(Math.log10(max))
  return power * ([1, 2, 2.5, 5, 10].find((one) => one * power >= max) ?? 10)
}

function shortNumber(value: number): string {
  if (value >= 10_000) return `${Number((value / 1000).toFixed(1))}k`
  return String(Number(value.toFixed(value < 10 ? 2 : 0)))
}
