import type { UserInfo } from '../../machinery/api-request.ts'
import { badRequest } from '../../machinery/status.ts'
import type { ResourceRoute, Verb } from '../route.ts'
import type { Authorizer } from './authorizer.ts'

/** A header's values by its lower-case name; none if it isn't there. */
type HeaderValues = (name: string) => readonly string[]

const extraPrefix = 'impersonate-extra-'

/**
 * The user whom a request wants to be treated as (`kubectl --as`), if its sender may do so
 * (https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/). Throws Forbidden if not.
 */
export function impersonated(user: UserInfo, names: readonly string[], valuesOf: HeaderValues, authorizer: Authorizer): UserInfo {
  // A user's name may hold commas, as distinguished names do.
  const name = valuesOf('impersonate-user').join(',')
  const uid = valuesOf('impersonate-uid').join(',')
  const groups = valuesOf('impersonate-group')
  const extra = Object.fromEntries(
    names.filter((header) => header.startsWith(extraPrefix)).map((header) => [keyOf(header), valuesOf(header)]),
  )
  const wants = groups.length > 0 || uid !== '' || Object.keys(extra).length > 0
  if (!name && !wants) return user
  if (!name) throw badRequest('groups, a UID or extra information can only be impersonated along with a user')
  const may = (route: ResourceRoute): void => authorizer.authorize(user, route)
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name)
  if (account) may(permission('', 'serviceaccounts', account[2] as string, account[1]))
  else may(permission('', 'users', name))
  for (const group of groups) may(permission('', 'groups', group))
  if (uid) may(permission('authentication.k8s.io', 'uids', uid))
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values) may({ ...permission('authentication.k8s.io', 'userextras', value), subresource: key })
  }
  const implied = account && groups.length === 0 ? ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`] : groups
  return { name, uid, groups: withAuthenticated(name, implied), extra }
}

function permission(group: string, plural: string, name: string, namespace?: string): ResourceRoute {
  const verb = 'impersonate' as Verb
  return { type: 'resource', verb, group, version: 'v1', plural, namespace, name, subresource: undefined }
}

/** Whoever is named has been authenticated, unless it is nobody. */
function withAuthenticated(name: string, groups: readonly string[]): string[] {
  const states = ['system:authenticated', 'system:unauthenticated']
  if (groups.some((group) => states.includes(group))) return [...groups]
  return [...groups, name === 'system:anonymous' ? 'system:unauthenticated' : 'system:authenticated']
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
