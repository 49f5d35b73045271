import { accountNameAnnotation, accountTokenType, accountUidAnnotation } from '../api/core/account-token-secret.ts'
import type { Secret, ServiceAccount } from '../api/generated/types.ts'
import { secrets as secretKind, serviceAccounts } from '../api/registry.ts'
import type { Informer } from '../client/informer.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { objectKey } from '../machinery/object.ts'
import { isNotFound } from '../machinery/status.ts'
import type { Controller } from './controller-deps.ts'
import { unlessGone } from './unless-gone.ts'

/** A token of the account that lasts as long as the Secret does. */
export type SignAccountToken = (
  namespace: string,
  account: { readonly name: string; readonly uid: string },
  secretName: string,
) => Promise<string>

const coded = (text: string): string => Buffer.from(text).toString('base64')
const accountOf = ({ type, metadata }: Secret): string | undefined =>
  type === accountTokenType ? metadata.annotations?.[accountNameAnnotation] : undefined

/** Whether a Secret is for this very account: one that says no uid is for whichever has the name. */
export function isFor({ metadata }: Secret, account: ServiceAccount): boolean {
  const uid = metadata.annotations?.[accountUidAnnotation]
  return metadata.annotations?.[accountNameAnnotation] === account.metadata.name && (!uid || uid === account.metadata.uid)
}

/** What the Secret lacks: the cluster's certificate, its namespace, a token. Undefined: nothing. */
export async function populated(
  secret: Secret,
  { metadata: { name, uid } }: ServiceAccount,
  { clusterCa, sign }: { clusterCa: string; sign: SignAccountToken },
): Promise<Secret | undefined> {
  const { metadata, data = {} } = secret
  const needsCa = clusterCa !== '' && data['ca.crt'] !== coded(clusterCa)
  if (!needsCa && data.namespace && data.token) return undefined
  const { namespace = '' } = metadata
  return {
    ...secret,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [accountNameAnnotation]: name, [accountUidAnnotation]: uid } },
    data: {
      ...data,
      ...(needsCa ? { 'ca.crt': coded(clusterCa) } : {}),
      namespace: data.namespace || coded(namespace),
      token: data.token || coded(await sign(namespace, { name, uid }, metadata.name)),
    },
  }
}

/** Fills Secrets that ask for the token of an account, and removes them with it. */
export function legacyAccountTokens(clusterCa: string, sign: SignAccountToken): Controller {
  return (deps) => {
    const name = 'serviceaccount-token-controller'
    const queue = new WorkQueue({ ...deps, log: deps.log.named(name), name })
    const secrets: Informer<Secret> = deps.informers.of(secretKind)
    const accounts: Informer<ServiceAccount> = deps.informers.of(serviceAccounts)
    const add = (secret: Secret): void => {
      if (accountOf(secret)) queue.add(objectKey(secret))
    }
    const touch = ({ metadata: { namespace = '', name: account } }: ServiceAccount): void => {
      for (const secret of secrets.byIndex('namespace', namespace)) if (accountOf(secret) === account) add(secret)
    }
    secrets.on({ added: add, updated: add })
    accounts.on({ added: touch, deleted: touch })

    const current = async (namespace: string, account: string): Promise<ServiceAccount | undefined> => {
      const known = accounts.get(`${namespace}/${account}`)
      if (known) return known
      // The Secret may have come before news of its account did.
      try {
        return await deps.client.resource<ServiceAccount>(serviceAccounts, namespace).get(account)
      } catch (error) {
        if (isNotFound(error)) return undefined
        throw error
      }
    }

    const sync = async (key: string): Promise<void> => {
      const secret = secrets.get(key)
      const of = secret && accountOf(secret)
      if (!secret || !of) return
      const { namespace = '', uid } = secret.metadata
      const client = deps.client.resource<Secret>(secretKind, namespace)
      const account = await current(namespace, of)
      if (!account || !isFor(secret, account)) {
        await unlessGone(() => client.delete(secret.metadata.name, { preconditions: { uid } }))
        return
      }
      const next = await populated(secret, account, { clusterCa, sign })
      if (next) await unlessGone(() => client.update(next))
    }
    return () => queue.runWorkers(2, sync)
  }
}
