import type { Document } from 'yaml'

type Context = { cluster: string; user: string }

/** A kubeconfig file: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ */
interface Kubeconfig {
  clusters?: { name: string }[]
  users?: { name: string }[]
  contexts?: { name: string; context: Context }[]
  'current-context'?: string
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** The text of a kubeconfig with one cluster, user and context, all called `name`. PEM texts; `key` is secret: so is the answer. */
export async function kubeconfigOf(options: { name: string; server: string; ca: string; cert: string; key: string }): Promise<string> {
  const { stringify } = await import('yaml')
  const { name, server } = options
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: { server, 'certificate-authority-data': base64(options.ca) } }],
      users: [{ name, user: { 'client-certificate-data': base64(options.cert), 'client-key-data': base64(options.key) } }],
      contexts: [{ name, context: { cluster: name, user: name } }],
      'current-context': name,
    },
    { lineWidth: 0 },
  )
}

/** A kubeconfig that cannot be read or changed; says why and where. */
export class KubeconfigError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'KubeconfigError'
  }
}

async function parsed(text: string): Promise<Document> {
  const { parseDocument, isMap } = await import('yaml')
  const document = parseDocument(text)
  const fault = document.errors[0]
  if (fault) throw new KubeconfigError(`the kubeconfig is not valid YAML: ${fault.message}`, { cause: fault })
  if (document.contents !== null && !isMap(document.contents)) throw new KubeconfigError('the kubeconfig is not a map')
  return document
}

const lists = ['clusters', 'users', 'contexts'] as const

/**
 * Adds the clusters, users and contexts of `ours` to the file's text, replacing those of the same names. All else stays,
 * comments and order included. The current context becomes ours if `setCurrent`, or where the file has none.
 */
export async function mergeKubeconfig(existing: string, ours: string, options: { setCurrent: boolean }): Promise<string> {
  if (existing.trim() === '') return ours
  const { isSeq, isMap } = await import('yaml')
  const document = await parsed(existing)
  const added = (await parsed(ours)).toJS() as Kubeconfig
  if (document.contents === null) return ours
  if (!document.has('apiVersion')) document.set('apiVersion', 'v1')
  if (!document.has('kind')) document.set('kind', 'Config')
  for (const list of lists) {
    const present = document.get(list)
    if (present !== undefined && present !== null && !isSeq(present)) throw new KubeconfigError(`the kubeconfig's ${list} are not a list`)
    if (!isSeq(present)) document.set(list, document.createNode([]))
    const sequence = document.get(list)
    if (!isSeq(sequence)) throw new KubeconfigError(`the kubeconfig's ${list} are not a list`)
    sequence.flow = false
    for (const entry of added[list] ?? []) {
      const at = sequence.items.findIndex((item) => isMap(item) && item.get('name') === entry.name)
      if (at < 0) sequence.add(document.createNode(entry))
      else sequence.set(at, document.createNode(entry))
    }
  }
  if (options.setCurrent || !document.get('current-context')) document.set('current-context', added['current-context'])
  return document.toString({ lineWidth: 0 })
}

/** Takes a context out, with its cluster and user where nothing else uses them. Text without it is answered unchanged. */
export async function removeFromKubeconfig(existing: string, context: string): Promise<string> {
  const { isSeq, isMap } = await import('yaml')
  const document = await parsed(existing)
  if (document.contents === null) return existing
  const before = document.toJS() as Kubeconfig
  const ours = before.contexts?.find((entry) => entry.name === context)?.context
  if (!ours) return existing
  const others = (before.contexts ?? []).filter((entry) => entry.name !== context).map((entry) => entry.context)
  const drop = (list: (typeof lists)[number], name: string): void => {
    const sequence = document.get(list)
    if (!isSeq(sequence)) return
    const at = sequence.items.findIndex((item) => isMap(item) && item.get('name') === name)
    if (at >= 0) sequence.delete(at)
  }
  drop('contexts', context)
  if (!others.some((other) => other.cluster === ours.cluster)) drop('clusters', ours.cluster)
  if (!others.some((other) => other.user === ours.user)) drop('users', ours.user)
  if (before['current-context'] === context) document.set('current-context', '')
  return document.toString({ lineWidth: 0 })
}
