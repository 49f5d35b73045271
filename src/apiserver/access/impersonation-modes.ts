import type { UserInfo } from '../../machinery/api-request.ts'
import { dnsLabelFaults, dnsSubdomainFaults } from '../../machinery/names.ts'
import type { ResourceRoute, Route, Verb } from '../route.ts'
import { type Authorizer, refusal } from './authorizer.ts'
import { serviceAccountGroups } from './service-account-user.ts'

/** One way in which somebody may be allowed to act as another (KEP-5284). */
interface ImpersonationMode {
  applies(wanted: UserInfo, by: UserInfo): boolean
  /** Whom the request is served as. Throws Forbidden. */
  authorized(wanted: UserInfo, by: UserInfo, route: Route, authorizer: Authorizer): UserInfo
}

const identities = 'authentication.k8s.io'
const nodePrefix = 'system:node:'

function nodeNameIn(user: string): string | undefined {
  const name = user.startsWith(nodePrefix) ? user.slice(nodePrefix.length) : ''
  return name && dnsSubdomainFaults(name).length === 0 ? name : undefined
}

function accountIn(user: string): { namespace: string; name: string } | undefined {
  const [, namespace = '', name = ''] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user) ?? []
  return namespace && dnsLabelFaults(namespace).length === 0 && dnsSubdomainFaults(name).length === 0 ? { namespace, name } : undefined
}

const isNameAlone = ({ uid, groups, extra }: UserInfo): boolean => uid === '' && groups.length === 0 && Object.keys(extra).length === 0

function permission(verb: string, group: string, plural: string, name: string, namespace?: string): ResourceRoute {
  // None of the verbs that requests have.
  return { type: 'resource', verb: verb as Verb, group, version: 'v1', plural, namespace, name, subresource: undefined }
}

/** Allowed to do this very thing as somebody of the mode, and then to be the one who is named. */
function constrained(
  mode: string,
  applies: ImpersonationMode['applies'],
  identity: (wanted: UserInfo, may: (plural: string, name: string, namespace?: string) => void) => UserInfo,
): ImpersonationMode {
  return {
    applies,
    authorized(wanted, by, route, authorizer) {
      const onBehalf = `impersonate-on:${mode}:${route.verb}` as Verb
      authorizer.authorize(by, { ...route, verb: onBehalf })
      const verb = `impersonate:${mode}`
      const user = identity(wanted, (plural, name, namespace) =>
        authorizer.authorize(by, permission(verb, identities, plural, name, namespace)),
      )
      checkRest(wanted, (plural, name, part) =>
        authorizer.authorize(by, { ...permission(verb, identities, plural, name), subresource: part }),
      )
      const fault = faultOf(wanted)
      if (fault) throw refusal(by, permission(verb, identities, fault.plural, fault.name), fault.why)
      return user
    },
  }
}

type May = (plural: string, name: string, part?: string) => void

function checkRest({ uid, groups, extra }: UserInfo, may: May): void {
  if (uid) may('uids', uid)
  for (const group of groups) may('groups', group)
  for (const [key, values] of Object.entries(extra)) for (const value of values) may('userextras', value, key)
}

const domainPath = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[a-z0-9/\-._~%!$&'()*+,;=:]+$/

/** What nobody is allowed to be in a constrained mode. */
function faultOf({ groups, extra }: UserInfo): { plural: string; name: string; why: string } | undefined {
  if (groups.includes('')) return { plural: 'groups', name: '', why: 'impersonating the empty string group is not allowed' }
  if (groups.includes('system:masters')) {
    return { plural: 'groups', name: 'system:masters', why: 'impersonating the system:masters group is not allowed' }
  }
  const wrong = Object.entries(extra).find(([key, values]) => !domainPath.test(key) || values.length === 0 || values.includes(''))
  return wrong && { plural: 'userextras', name: '', why: `impersonating an invalid key or value in extra is not allowed: ${wrong[0]}` }
}

const asNode = (wanted: UserInfo): UserInfo => ({ ...wanted, groups: ['system:nodes'] })

/** From the narrowest on: a program on each node as that node, any node, a service account, anybody else. */
export const impersonationModes: readonly ImpersonationMode[] = [
  constrained(
    'associated-node',
    (wanted, by) => {
      const node = nodeNameIn(wanted.name)
      const own = by.extra['authentication.kubernetes.io/node-name'] ?? []
      return isNameAlone(wanted) && node !== undefined && accountIn(by.name) !== undefined && own.length === 1 && own[0] === node
    },
    (wanted, may) => {
      // Whichever node it is: that of the caller.
      may('nodes', '*')
      return asNode(wanted)
    },
  ),
  constrained(
    'arbitrary-node',
    (wanted) => isNameAlone(wanted) && nodeNameIn(wanted.name) !== undefined,
    (wanted, may) => {
      may('nodes', nodeNameIn(wanted.name) as string)
      return asNode(wanted)
    },
  ),
  constrained(
    'serviceaccount',
    (wanted) => isNameAlone(wanted) && accountIn(wanted.name) !== undefined,
    (wanted, may) => {
      const { namespace, name } = accountIn(wanted.name) as { namespace: string; name: string }
      may('serviceaccounts', name, namespace)
      return { ...wanted, groups: serviceAccountGroups(namespace) }
    },
  ),
  constrained(
    'user-info',
    ({ name }) => nodeNameIn(name) === undefined && accountIn(name) === undefined,
    (wanted, may) => {
      may('users', wanted.name)
      return wanted
    },
  ),
]

/** The verb `impersonate`: to be the one who is named, whatever the request does. */
export const legacyMode: ImpersonationMode = {
  applies: () => true,
  authorized(wanted, by, _route, authorizer) {
    const may = (group: string, plural: string, name: string, more: Partial<ResourceRoute> = {}): void =>
      authorizer.authorize(by, { ...permission('impersonate', group, plural, name), ...more })
    const account = accountIn(wanted.name)
    if (account) may('', 'serviceaccounts', account.name, { namespace: account.namespace })
    else may('', 'users', wanted.name)
    checkRest(wanted, (plural, name, subresource) => may(plural === 'groups' ? '' : identities, plural, name, { subresource }))
    return account && wanted.groups.length === 0 ? { ...wanted, groups: serviceAccountGroups(account.namespace) } : wanted
  },
}
