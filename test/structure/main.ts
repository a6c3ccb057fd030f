/** Writes the import table of docs/architecture.md anew, after a change of the rules: `node test/structure/main.ts`. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { importTable } from './import-rules.ts'
import { root } from './tree.ts'

const path = join(root, 'docs/architecture.md')
const table = /(<!-- import table: begin -->\n)[\s\S]*?(<!-- import table: end -->)/
writeFileSync(
  path,
  readFileSync(path, 'utf8').replace(table, (_, begin: string, end: string) => `${begin}${importTable()}\n${end}`),
)
