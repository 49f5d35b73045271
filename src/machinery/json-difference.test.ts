import { expect, test } from 'vitest'
import { jsonDifference } from './json-difference.ts'

test('shows what differs, with lines around it', () => {
  const before = { a: 1, b: { c: [1, 2, 3], d: 'x' }, e: true }
  expect(jsonDifference(before, { ...before, b: { ...before.b, c: [1, 2, 4] } })).toBe(`@@ -4,7 +4,7 @@
   "c": [
    1,
    2,
-   3
+   4
   ],
   "d": "x"
  },
`)
})

test('shows changes far from each other in parts', () => {
  const list = Array.from({ length: 20 }, (_, i) => i)
  expect(jsonDifference(list, [100, ...list.slice(1, 19), 119])).toBe(`@@ -1,5 +1,5 @@
 [
- 0,
+ 100,
  1,
  2,
  3,
@@ -18,5 +18,5 @@
  16,
  17,
  18,
- 19
+ 119
 ]
`)
})

test('takes no notice of the order of fields', () => {
  expect(jsonDifference({ a: 1, b: 2 }, { b: 2, a: 1 })).toBe('')
})

test('shows what comes, and what goes', () => {
  expect(jsonDifference({}, { a: 1 })).toBe('@@ -1 +1,3 @@\n-{}\n+{\n+ "a": 1\n+}\n')
  expect(jsonDifference({ a: 1 }, undefined)).toBe('@@ -1,3 +1 @@\n-{\n- "a": 1\n-}\n+null\n')
})

test('is soon done with long lists', () => {
  const list = Array.from({ length: 3000 }, (_, i) => i)
  expect(jsonDifference(list, [...list.slice(0, 1500), 'new', ...list.slice(1500)]).split('\n')).toHaveLength(9)
})
