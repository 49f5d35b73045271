import { traversal } from './budget.ts'
import { type Functions, functionsOf, overload } from './functions.ts'
import { arithmetic } from './library/arithmetic.ts'
import { authorization } from './library/authorizer.ts'
import { conversions } from './library/conversions.ts'
import { namedFormats } from './library/formats.ts'
import { listExtensions, lists, sets } from './library/lists.ts'
import { network } from './library/network.ts'
import { optionals } from './library/optionals.ts'
import { patterns } from './library/patterns.ts'
import { quantities } from './library/quantity.ts'
import { semver } from './library/semver.ts'
import { strings } from './library/strings.ts'
import { time } from './library/time.ts'
import { urls } from './library/url.ts'

const libraries = [
  arithmetic,
  conversions,
  time,
  strings,
  patterns,
  lists,
  listExtensions,
  sets,
  optionals,
  quantities,
  network,
  urls,
  semver,
  namedFormats,
  authorization,
]

/** As a step of a JSON pointer. */
const escapeKey = (key: string): string => key.replace(/[/~]/g, (character) => (character === '/' ? '~1' : '~0'))

/** All that expressions of Kubernetes 1.37 may call. */
export const kubernetesFunctions: Functions = functionsOf(...libraries)

/** What those may call as well that make patches. */
export const patchFunctions: Functions = functionsOf(...libraries, [
  overload('jsonpatch.escapeKey(string) -> string', escapeKey, (key: string) => Math.max(1, traversal(key.length))),
])
