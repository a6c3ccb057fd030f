/** The pieces from which JDL is read, each at its bounds: names, texts, expressions, comments, and numbers of jobs. */

import { describe, expect, it } from 'vitest'
import { readJobDocument, specsOf } from '../../../client/job-document.ts'
import { jdlRow } from '../../../core/language/jdl/attributes.ts'
import { cursorOn, isAtName, peek, take, takeBare, takeName, takeText } from '../../../core/language/jdl/scan.ts'

it.each([
  ['up to the end of the statement', 'a + b ; c', 'a + b', ';'],
  ['up to the end of the line', 'a\nb', 'a', 'b'],
  ['up to the end of the list', 'a, b}', 'a', ','],
  ['up to the bracket behind the record', 'a ]', 'a', ']'],
  ['with the commas of a call', 'member(a, b), c', 'member(a, b)', ','],
  ['with calls in calls', 'f(g(a, b), c), d', 'f(g(a, b), c)', ','],
  ['with what a text holds', 'a == "x; , // }" && b; c', 'a == "x; , // }" && b', ';'],
  ['with an escaped quote in a text', 'a == "x\\"; y"; c', 'a == "x\\"; y"', ';'],
  ['without the comment behind it', 'a // b', 'a', ''],
  ['without a comment of scripts', 'a # b\nc', 'a', 'c'],
  ['with a hash inside a word', 'a#b c', 'a#b c', ''],
  ['up to a text without an end', 'a "b', 'a', '"'],
])('what stands without quotes is taken %s', (_, text, taken, next) => {
  const cursor = cursorOn(text)
  expect([takeBare(cursor), peek(cursor)]).toEqual([taken, next])
})

it.each([
  ['"a b" c', 'a b'],
  ["'it' c", 'it'],
  ['"tab\\t, line\\n, return\\r, quote\\", single\\\', back\\\\"', 'tab\t, line\n, return\r, quote", single\', back\\'],
  ['"form\\f, bell\\b"', 'form\f, bell\b'],
  ['"a\\d+\\."', 'a\\d+\\.'],
  ['""', ''],
  ['"no end', undefined],
  ['"no end\\"', undefined],
])('a quoted text %s is taken without its escapes', (text, taken) => {
  expect(takeText(cursorOn(text))).toBe(taken)
})

it.each([
  ['Name = 1', 'Name'],
  ['  // comment\n Name=1', 'Name'],
  ['/* comment = */ Name \n\t=1', 'Name'],
  ['a.b_2 = 1', 'a.b_2'],
  ['_a = 1', '_a'],
  ['Name == 1', undefined],
  ['Name 1', undefined],
  ['2a = 1', undefined],
  ['= 1', undefined],
  [`${'n'.repeat(128)} = 1`, 'n'.repeat(128)],
  [`${'n'.repeat(129)} = 1`, undefined],
])('a name is one with an equals sign: %s', (text, name) => {
  const cursor = cursorOn(text)
  expect(isAtName(cursor)).toBe(name !== undefined)
  expect([takeName(cursor), peek(cursor)]).toEqual([name, name === undefined ? expect.any(String) : '1'])
})

it('lines are counted through comments and texts', () => {
  const cursor = cursorOn('# a\n/* b\n */ "c\nd" ;\n\ufeff e')
  expect(peek(cursor)).toBe('"')
  expect(cursor.line).toBe(3)
  expect([takeText(cursor), take(cursor, ','), take(cursor, ';'), peek(cursor)]).toEqual(['c\nd', false, true, 'e'])
  expect(cursor.line).toBe(5)
})

describe('parameters', () => {
  const read = (rest: string) => specsOf(readJobDocument(`Executable = "e"; Arguments = "%s"; ${rest}`).jobs)
  const argumentsOf = (rest: string): readonly string[] => read(rest).map((spec) => spec.arguments.join(' '))

  it.each([
    ['Parameters = 1;', ['1']],
    ['Parameters = 3; ParameterStart = 2; ParameterStep = 5;', ['2', '7', '12']],
    ['Parameters = 3; ParameterStart = 2; ParameterFactor = 3;', ['2', '6', '18']],
    ['Parameters = 3; ParameterStart = "2"; ParameterStep = 1; ParameterFactor = 2;', ['2', '5', '11']],
    ['Parameters = {"a", 2, true};', ['a', '2', 'true']],
  ])('%s become %j', (rest, made) => {
    expect(argumentsOf(rest)).toEqual(made)
  })

  it.each([
    ['Parameters = 0;', /0: not a number of jobs; accepted: a list, or a whole number from 1 to/],
    ['Parameters = -1;', /not a number of jobs/],
    ['Parameters = 1.5;', /not a number of jobs/],
    ['Parameters = true;', /not a number of jobs/],
    ['Parameters = 1000000000;', /not a number of jobs/],
    ['Parameters = {};', /no job/],
    ['Parameters = {"a"}; ParameterStart = 1;', /ParameterStart: .*a list has no start, step or factor/],
    ['Parameters = {"a"}; ParameterStep = 1;', /ParameterStep: .*a list has no start, step or factor/],
    ['Parameters = {"a"}; ParameterFactor = 1;', /ParameterFactor: .*a list has no start, step or factor/],
    ['ParameterStep = 1;', /without values/],
    ['Parameters = 2; ParameterStart = "";', /ParameterStart: .*not a number/],
    ['Parameters = 2; ParameterStart = "x";', /ParameterStart: .*not a number/],
    ['Parameters = 500; ParameterFactor = 1000;', /grow beyond every bound/],
    ['Parameters = {{"a"}};', /not a value of a parameter/],
  ])('%s are refused', (rest, why) => {
    let refused: unknown
    try {
      read(rest)
    } catch (thrown) {
      refused = thrown
    }
    const { violations } = refused as { violations: { path: string; value: string; rule: string; accepted: string }[] }
    expect(violations.map((one) => `${one.path}: ${one.value}: ${one.rule}; accepted: ${one.accepted}`).join('\n')).toMatch(
      why,
    )
  })
})

it.each(
  [
    ...[
      'Executable',
      'Arguments',
      'ExecutionEnvironment',
      'JobName',
      'JobGroup',
      'Priority',
      'CPUTime',
      'Site',
      'BannedSites',
    ],
    ...['GridCE', 'Platform', 'Tags', 'StdOutput', 'StdError', 'OutputSandbox', 'InputSandbox', 'InputData', 'OutputData'],
    ...['NumberOfProcessors', 'MinNumberOfProcessors', 'MaxNumberOfProcessors', 'WholeNode', 'LogLevel', 'JobType'],
  ].map((name) => [name]),
)("DIRAC's attribute %s is known, in any letter case", (name) => {
  expect(jdlRow(name)).toBeDefined()
  expect(jdlRow(name.toUpperCase())).toBe(jdlRow(name))
})
