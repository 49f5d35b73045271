import type { Node, Pod, Secret, ServiceAccount, TokenRequestSpec } from '../../api/generated/types.ts'
import { serviceAccounts } from '../../api/registry.ts'
import { schemaOf } from '../../api/schema.ts'
import { timestamp } from '../../host/clock.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import { decodeObject } from '../../machinery/decode.ts'
import { type FieldError, invalidValue } from '../../machinery/field-error.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { badRequest, conflict, invalid, notFound } from '../../machinery/status.ts'
import { checkNodeToken } from './node-restriction.ts'
import type { ServiceAccountTokens, TokenSubject } from './service-account-tokens.ts'
import type { Identity } from './service-account-user.ts'

const tokenRequestKind = { group: 'authentication.k8s.io', kind: 'TokenRequest' }
const defaultSeconds = 3600
const shortestSeconds = 600
const longestSeconds = 2 ** 32

interface Facts {
  readonly pod: (namespace: string, name: string) => Pod | undefined
  readonly secret: (namespace: string, name: string) => Secret | undefined
  readonly node: (name: string) => Node | undefined
}

type RequestBody = KubeObject & { spec?: TokenRequestSpec }

/** POST to a service account's `token`: the request, with the token as its status. Throws Invalid, NotFound or Conflict. */
export async function answerTokenRequest(
  account: ServiceAccount,
  body: Readonly<Record<string, unknown>>,
  deps: { user: UserInfo; tokens: ServiceAccountTokens; facts: Facts; dryRun: boolean; nowMs: number },
): Promise<object> {
  const { object } = decodeObject<RequestBody>(schemaOf('AuthenticationV1TokenRequest'), body, {
    fieldValidation: 'Ignore',
    duplicates: [],
  })
  const { namespace = '', name, uid } = account.metadata
  const spec = object.spec ?? { audiences: [] }
  checkNodeToken(deps.user, serviceAccounts, name, spec, (pod) => deps.facts.pod(namespace, pod)?.spec.nodeName)
  const seconds = spec.expirationSeconds ?? defaultSeconds
  const faults = faultsOf(seconds)
  if (faults.length > 0) throw invalid(tokenRequestKind, name, faults)
  const audiences = spec.audiences?.length ? spec.audiences : [deps.tokens.issuer]
  const subject = { namespace, serviceAccount: { name, uid }, ...boundTo(account, spec.boundObjectRef, deps.facts) }
  const { token, expiresAtMs } = await deps.tokens.issue(subject, audiences, seconds)
  return {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name, namespace, creationTimestamp: timestamp(deps.nowMs) },
    spec: { ...spec, audiences, expirationSeconds: seconds, boundObjectRef: spec.boundObjectRef ?? null },
    status: { token: deps.dryRun ? '' : token, expirationTimestamp: timestamp(expiresAtMs) },
  }
}

function faultsOf(seconds: number): FieldError[] {
  const field = 'spec.expirationSeconds'
  if (seconds < shortestSeconds) return [invalidValue(field, seconds, 'may not specify a duration less than 10 minutes')]
  if (seconds > longestSeconds) return [invalidValue(field, seconds, 'may not specify a duration larger than 2^32 seconds')]
  return []
}

/** What the token is to live and die with. */
function boundTo(
  { metadata: { name: account, namespace = '' } }: ServiceAccount,
  ref: TokenRequestSpec['boundObjectRef'],
  facts: Facts,
): Pick<TokenSubject, 'pod' | 'secret' | 'node'> {
  if (!ref) return {}
  const { name = '', uid = '', kind = '', apiVersion = '' } = ref
  const checked = (plural: string, found: KubeObject | undefined): Identity => {
    const resource = { group: '', plural }
    if (!found) throw notFound(resource, name)
    if (uid && uid !== found.metadata.uid) {
      const why = `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`
      throw conflict(resource, name, why)
    }
    return { name, uid: found.metadata.uid }
  }
  switch (`${apiVersion}/${kind}`) {
    case 'v1/Pod': {
      const pod = facts.pod(namespace, name)
      const identity = checked('pods', pod)
      if ((pod?.spec.serviceAccountName ?? '') !== account) {
        throw badRequest(
          `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
        )
      }
      const node = pod?.spec.nodeName === undefined ? undefined : facts.node(pod.spec.nodeName)
      return { pod: identity, ...(node ? { node: { name: node.metadata.name, uid: node.metadata.uid } } : {}) }
    }
    case 'v1/Secret':
      return { secret: checked('secrets', facts.secret(namespace, name)) }
    case 'v1/Node':
      return { node: checked('nodes', facts.node(name)) }
    default:
      throw badRequest(`cannot bind token to object of type ${apiVersion}, Kind=${kind}`)
  }
}
