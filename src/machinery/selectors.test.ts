import { describe, expect, it } from 'vitest'
import { matchesFields, parseFieldSelector } from './field-selector.ts'
import { scaledValue } from './int-or-string.ts'
import { formatLabelSelector, labelSelectorMatcher, matchesLabels, parseLabelSelector } from './label-selector.ts'

describe('label selectors of query strings', () => {
  const web = { app: 'web', tier: 'front', n: '5' }
  it.each([
    ['', true],
    ['app=web', true],
    ['app==web,tier=front', true],
    ['app=web,tier=back', false],
    ['app!=api', true],
    ['missing!=x', true],
    ['app in (api, web)', true],
    ['app notin (api,web)', false],
    ['missing notin (a)', true],
    ['app', true],
    ['!app', false],
    ['!missing', true],
    ['missing=', false],
    ['n>4,n<6', true],
    ['in in (x)', false],
  ])('%j matches: %s', (text, matches) => {
    expect(matchesLabels(parseLabelSelector(text), web)).toBe(matches)
  })

  it('match labels that are not there only if they ask for that', () => {
    expect(matchesLabels(parseLabelSelector('constructor'), {})).toBe(false)
    expect(matchesLabels(parseLabelSelector('!a'), undefined)).toBe(true)
  })

  it.each([
    ['a in', "unable to parse requirement: found '' expected: '('"],
    ['a,,b', "found ',', expected: identifier after ','"],
    ['=a', "found '=', expected: !, identifier, or 'end of string'"],
    ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ['a=b c', "found 'c', expected: ',' or 'end of string'"],
    ['-bad=x', 'unable to parse requirement: key: Invalid value: "-bad": name part must consist of'],
    ['a=-b', 'unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label must be'],
  ])('%j is refused', (text, message) => {
    expect(() => parseLabelSelector(text)).toThrow(message)
  })

  it('print as they are parsed', () => {
    expect(formatLabelSelector(parseLabelSelector('b in (y,x), !c ,d , a = 1,e!=2'))).toBe('b in (x,y),!c,d,a=1,e!=2')
  })
})

describe('LabelSelector objects', () => {
  it('match by labels and expressions together', () => {
    const matches = labelSelectorMatcher({
      matchLabels: { app: 'web' },
      matchExpressions: [{ key: 'tier', operator: 'In', values: ['a', 'b'] }],
    })
    expect(matches({ app: 'web', tier: 'b' })).toBe(true)
    expect(matches({ app: 'web' })).toBe(false)
  })
  it('match nothing when absent and everything when empty', () => {
    expect(labelSelectorMatcher(undefined)({ a: 'b' })).toBe(false)
    expect(labelSelectorMatcher({})({})).toBe(true)
  })
  it('are refused with an operator that is none', () => {
    expect(() => labelSelectorMatcher({ matchExpressions: [{ key: 'a', operator: 'Has' }] })).toThrow(
      '"Has" is not a valid label selector operator',
    )
  })
})

describe('field selectors', () => {
  const read = (field: string): string => ({ 'metadata.name': 'a,b', 'spec.nodeName': 'n1' })[field] ?? ''
  it.each([
    ['spec.nodeName=n1', true],
    ['spec.nodeName==n1,metadata.name!=x', true],
    ['spec.nodeName!=n1', false],
    ['metadata.name=a\\,b', true],
    ['status.phase=', true],
  ])('%j matches: %s', (text, matches) => {
    const requirements = parseFieldSelector(text)
    expect(matchesFields(requirements, read)).toBe(matches)
  })
  it('are refused without an operator', () => {
    expect(() => parseFieldSelector('spec.nodeName')).toThrow("invalid selector: 'spec.nodeName'; can't understand 'spec.nodeName'")
  })
})

it('scales percentages up for surge and down for unavailability', () => {
  expect(scaledValue('25%', 3, 'up')).toBe(1)
  expect(scaledValue('25%', 3, 'down')).toBe(0)
  expect(scaledValue(2, 3, 'up')).toBe(2)
  expect(scaledValue('100%', 7, 'down')).toBe(7)
  expect(() => scaledValue('x', 3, 'up')).toThrow('string is not a percentage')
})
