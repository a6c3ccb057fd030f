// What the pages do by themselves where scripts run: sections marked data-live are fetched again, and the first page's facts
// come as events. Without it every page is complete, and shows what was true when it was read.

const refreshMs = 2000
const soonMs = 400
const factsShown = 60

const freshness = document.getElementById('freshness')
const facts = document.getElementById('facts')
const live = document.querySelectorAll('[data-live]').length > 0
let busy = false
let timer
let source

async function refresh() {
  clearTimeout(timer)
  timer = setTimeout(refresh, refreshMs)
  if (busy || document.hidden || isSelecting()) return
  busy = true
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(10_000) })
    if (answer.redirected) return location.reload()
    if (!answer.ok) throw new Error(`status ${answer.status}`)
    replace(new DOMParser().parseFromString(await answer.text(), 'text/html'))
    freshness.textContent = ' · live'
    freshness.className = ''
  } catch {
    freshness.textContent = ' · the service does not answer; trying again'
    freshness.className = 'bad'
  } finally {
    busy = false
  }
}

// Only what changed is touched, so that a scrolled table and the keyboard's place stay where they are.
function replace(fresh) {
  for (const old of document.querySelectorAll('[data-live]')) {
    const next = fresh.getElementById(old.id)
    if (!next || next.innerHTML === old.innerHTML || old.contains(document.activeElement)) continue
    const scrolled = [...old.querySelectorAll('.scroll')].map((box) => box.scrollLeft)
    old.replaceChildren(...next.childNodes)
    old.querySelectorAll('.scroll').forEach((box, at) => {
      box.scrollLeft = scrolled[at] ?? 0
    })
  }
  const read = fresh.querySelector('footer time')
  if (read) document.querySelector('footer time').replaceWith(read)
}

function isSelecting() {
  const selection = document.getSelection()
  return selection !== null && !selection.isCollapsed
}

function refreshSoon() {
  clearTimeout(timer)
  timer = setTimeout(refresh, soonMs)
}

// A browser opens six connections to one host: a page that nobody sees gives its own back.
function listen() {
  source?.close()
  source = undefined
  if (document.hidden || !facts) return
  source = new EventSource(`/api/events?after=${facts.dataset.after}`)
  source.addEventListener('fact', (event) => {
    facts.dataset.after = event.lastEventId
    addFact(JSON.parse(event.data))
    refreshSoon()
  })
  source.addEventListener('skipped', () => {
    document.getElementById('facts-note').textContent = 'Newest first. Too many came at once: some are left out here.'
  })
}

function addFact({ atMs, subject, kind, text }) {
  document.getElementById('no-facts')?.remove()
  const iso = new Date(atMs).toISOString()
  const time = element('time', '', iso.slice(0, 19).replace('T', ' '))
  time.dateTime = iso
  const state = element('span', `state ${/^[a-z-]*/.exec(kind.toLowerCase())[0]}`, kind)
  const about = element('span', 'subject')
  about.append(subjectLink(subject))
  const rest = text === kind ? '' : text.startsWith(`${kind}: `) ? text.slice(kind.length + 2) : text
  const row = element('li', 'new')
  const shown = rest.length > 200 ? `${rest.slice(0, 199)}…` : rest
  row.append(time, ' ', state, ' ', about, ' ', element('span', 'fact-text', shown))
  facts.prepend(row)
  while (facts.children.length > factsShown) facts.lastElementChild.remove()
}

function subjectLink(subject) {
  const [, kind, id] = /^(\w+):(.*)$/s.exec(subject) ?? ['', '', subject]
  const path = kind === 'job' ? `/jobs/${id}` : kind === 'vm' ? `/vms/${id}` : kind === 'cloud' ? '/clouds' : ''
  const link = element(path ? 'a' : 'span', '', kind === 'vm' ? id : `${kind} ${id}`)
  if (path) link.href = path
  return link
}

function element(name, className, text = '') {
  const made = document.createElement(name)
  if (className) made.className = className
  made.textContent = text
  return made
}

if (live) {
  timer = setTimeout(refresh, refreshMs)
  listen()
  document.addEventListener('visibilitychange', () => {
    listen()
    if (!document.hidden) refreshSoon()
  })
}
