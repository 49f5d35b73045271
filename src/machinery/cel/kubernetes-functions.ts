import { type Functions, functionsOf } from './functions.ts'
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

/** All that expressions of Kubernetes 1.37 may call. */
export const kubernetesFunctions: Functions = functionsOf(
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
)
