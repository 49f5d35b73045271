import type { UserInfo } from '../../machinery/api-request.ts'
import { badRequest, StatusError } from '../../machinery/status.ts'
import type { Route } from '../route.ts'
import type { Authorizer } from './authorizer.ts'
import { impersonationModes, legacyMode } from './impersonation-modes.ts'

/** A header's values by its lower-case name; none if it isn't there. */
type HeaderValues = (name: string) => readonly string[]

const extraPrefix = 'impersonate-extra-'

/** Whom a request's headers name (`kubectl --as`); undefined: nobody. Throws BadRequest where they name no user but more of one. */
export function wantedUser(names: readonly string[], valuesOf: HeaderValues): UserInfo | undefined {
  // A user's name may hold commas, as distinguished names do.
  const name = valuesOf('impersonate-user').join(',')
  const uid = valuesOf('impersonate-uid').join(',')
  const groups = valuesOf('impersonate-group')
  const extra = Object.fromEntries(
    names.filter((header) => header.startsWith(extraPrefix)).map((header) => [keyOf(header), valuesOf(header)]),
  )
  if (name) return { name, uid, groups, extra }
  if (groups.length === 0 && uid === '' && Object.keys(extra).length === 0) return undefined
  throw badRequest('groups, a UID or extra information can only be impersonated along with a user')
}

/**
 * The user as whom the request is served, if its sender may have it so: by one of the modes that let somebody be another for
 * certain requests only, else by the verb `impersonate`, which lets them be another for everything
 * (https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/). Throws the Forbidden of the first that applies.
 */
export function impersonated(by: UserInfo, wanted: UserInfo, route: Route, authorizer: Authorizer): UserInfo {
  let refusal: StatusError | undefined
  for (const mode of [...impersonationModes, legacyMode]) {
    if (!mode.applies(wanted, by)) continue
    try {
      return withState(mode.authorized(wanted, by, route, authorizer))
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      refusal ??= error
    }
  }
  throw refusal
}

/** Whoever is named has been authenticated, unless it is nobody. */
function withState(user: UserInfo): UserInfo {
  const { name, groups } = user
  const state = name === 'system:anonymous' ? 'system:unauthenticated' : 'system:authenticated'
  return groups.includes(state) || groups.includes('system:unauthenticated') ? user : { ...user, groups: [...groups, state] }
}

/** Keys may be percent-encoded, as header names cannot hold every character. */
function keyOf(header: string): string {
  const key = header.slice(extraPrefix.length)
  try {
    return decodeURIComponent(key)
  } catch (error) {
    if (error instanceof URIError) return key
    throw error
  }
}
