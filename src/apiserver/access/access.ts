import type { Node, Pod, Secret, ServiceAccount } from '../../api/generated/types.ts'
import { nodes, pods, secrets, serviceAccounts } from '../../api/registry.ts'
import type { Clock } from '../../host/clock.ts'
import type { Random } from '../../host/random.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import { unauthorized } from '../../machinery/status.ts'
import type { Route } from '../route.ts'
import type { WatchCache } from '../watch-cache.ts'
import { authenticated } from './authentication.ts'
import { Authorizer } from './authorizer.ts'
import { bootstrapTokenAuthenticator } from './bootstrap-token-authenticator.ts'
import { anonymous } from './client-certificate.ts'
import { checkEscalation } from './escalation.ts'
import { impersonated, wantedUser } from './impersonation.ts'
import { LegacyTokens } from './legacy-tokens.ts'
import type { NodeFacts } from './node-authorizer.ts'
import { rbacOver, rulesIn } from './role-table.ts'
import { type IsStillThere, ServiceAccountTokens } from './service-account-tokens.ts'
import { authenticateToken, type TokenAuthenticator, type VerifiedToken } from './token-authenticator.ts'

export interface AccessOptions {
  readonly clock: Clock
  readonly random: Random
  /** `iss` of service-account tokens, and their audience where none is asked for. */
  readonly issuer: string
  /** PEM of the EC P-256 key that signs them. */
  readonly serviceAccountKey: string
  /** False: nobody is let in without credentials. */
  readonly anonymousAuth: boolean
  /** Has a Secret say that its token was used on this day. */
  readonly legacyTokenUsed: (namespace: string, name: string, date: string) => Promise<void>
}

/** A request's headers, by lower-case name. */
export interface RequestHeaders {
  readonly names: readonly string[]
  values(name: string): readonly string[]
  text(name: string): string
}

/** Who asks, and what they may do: all of it read from the objects in the cache. */
export class Access {
  readonly authorizer: Authorizer
  readonly tokens: ServiceAccountTokens
  readonly #authenticators: readonly TokenAuthenticator[]
  readonly #anonymousAuth: boolean
  readonly checkEscalation: (write: Parameters<typeof checkEscalation>[0]) => void

  constructor(cache: WatchCache, options: AccessOptions) {
    const rbac = rbacOver(cache)
    this.#anonymousAuth = options.anonymousAuth
    this.authorizer = new Authorizer(nodeFactsOf(cache), rbac)
    const { clock, random, issuer, serviceAccountKey: key } = options
    this.tokens = new ServiceAccountTokens({ clock, random, issuer, key, isStillThere: presenceIn(cache, clock) })
    const secret = (namespace: string, name: string) => cache.kind(secrets).get(namespace, name)?.object as Secret | undefined
    const account = (namespace: string, name: string) =>
      cache.kind(serviceAccounts).get(namespace, name)?.object as ServiceAccount | undefined
    const facts = { clock, audiences: [issuer], secret }
    const legacy = new LegacyTokens({ ...facts, key, account, used: options.legacyTokenUsed })
    // The most common first: what was verified before costs one look into a map.
    this.#authenticators = [
      (token, audiences) => this.tokens.verify(token, audiences),
      (token, audiences) => legacy.verify(token, audiences),
      bootstrapTokenAuthenticator(facts),
    ]
    this.checkEscalation = (write) => checkEscalation(write, { authorizer: this.authorizer, rbac, rulesOf: rulesIn(cache) })
  }

  /** Whom a bearer token speaks for, to the API server if nothing else is asked. Throws RefusedTokenError. */
  verifyToken(token: string, audiences: readonly string[] = [this.tokens.issuer]): Promise<VerifiedToken> {
    return authenticateToken(token, audiences, this.#authenticators)
  }

  /** Who has sent a request. Throws Unauthorized for credentials that are not good. */
  async senderOf(peer: UserInfo | undefined, headers: RequestHeaders): Promise<UserInfo> {
    const sender = await authenticated(peer, headers.text('authorization'), async (token) => (await this.verifyToken(token)).user)
    if (sender === anonymous && !this.#anonymousAuth) throw unauthorized()
    return sender
  }

  /** Whom it is to be served as. Throws Forbidden for an impersonation that isn't allowed. */
  userOf(sender: UserInfo, headers: RequestHeaders, route: () => Route): UserInfo {
    const wanted = wantedUser(headers.names, headers.values)
    return wanted ? impersonated(sender, wanted, route(), this.authorizer) : sender
  }
}

function nodeFactsOf(cache: WatchCache): NodeFacts {
  const podCache = cache.kind(pods)
  return {
    nodeOfPod: (namespace, name) => (podCache.get(namespace, name)?.object as Pod | undefined)?.spec.nodeName,
    *podsOn(node, namespace) {
      for (const { object } of podCache.list(namespace)) if ((object as Pod).spec.nodeName === node) yield object as Pod
    },
  }
}

/** How long a pod's token outlives the end that the pod was given. */
const deletedPodGraceMs = 60_000

function presenceIn(cache: WatchCache, clock: Clock): IsStillThere {
  const kinds = { ServiceAccount: cache.kind(serviceAccounts), Pod: cache.kind(pods), Secret: cache.kind(secrets), Node: cache.kind(nodes) }
  return (kind, namespace, { name, uid }) => {
    const found = kinds[kind].get(namespace, name)?.object
    if (!found || found.metadata.uid !== uid) return false
    const { deletionTimestamp } = found.metadata
    return deletionTimestamp === undefined || Date.parse(deletionTimestamp) + deletedPodGraceMs > clock.now()
  }
}

/** What a TokenRequest may bind its token to. */
export function boundObjectsIn(cache: WatchCache) {
  return {
    pod: (namespace: string, name: string) => cache.kind(pods).get(namespace, name)?.object as Pod | undefined,
    secret: (namespace: string, name: string) => cache.kind(secrets).get(namespace, name)?.object as Secret | undefined,
    node: (name: string) => cache.kind(nodes).get(undefined, name)?.object as Node | undefined,
  }
}
