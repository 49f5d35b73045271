import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, resolve } from 'node:path'
import type { Clock } from '../host/clock.ts'
import type { Exec } from '../host/exec.ts'
import { readIfThere } from '../host/files.ts'
import { type Credential, type Credentials, fixedCredentials } from './credentials.ts'
import { execCredentials } from './exec-credentials.ts'
import { fileCredentials } from './file-credentials.ts'
import { KubeconfigError } from './kubeconfig.ts'

/** All that is needed to reach a cluster that may not be ours. */
export interface ClusterAccess {
  /** `https://host:port`, maybe with a path before `/api`. */
  readonly server: string
  /** PEM; undefined: the authorities that this machine trusts. */
  readonly ca: string | undefined
  readonly insecureSkipTlsVerify: boolean
  /** The name that the server's certificate must have, where it isn't the server's host. */
  readonly tlsServerName: string | undefined
  readonly credentials: Credentials
  /** Impersonate-* headers. */
  readonly headers: Readonly<Record<string, string>>
}

interface Deps {
  readonly exec: Exec
  readonly clock: Clock
}

/** https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ */
interface ClusterEntry {
  server?: string
  'certificate-authority'?: string
  'certificate-authority-data'?: string
  'insecure-skip-tls-verify'?: boolean
  'tls-server-name'?: string
  'proxy-url'?: string
}

interface UserEntry {
  token?: string
  tokenFile?: string
  username?: string
  password?: string
  'client-certificate'?: string
  'client-certificate-data'?: string
  'client-key'?: string
  'client-key-data'?: string
  as?: string
  'as-uid'?: string
  'auth-provider'?: { name?: string }
  exec?: {
    apiVersion?: string
    command?: string
    args?: string[] | null
    env?: { name: string; value: string }[] | null
    provideClusterInfo?: boolean
    installHint?: string
    interactiveMode?: string
  }
}

interface KubeconfigFile {
  clusters?: { name: string; cluster?: ClusterEntry }[] | null
  users?: { name: string; user?: UserEntry }[] | null
  contexts?: { name: string; context?: { cluster?: string; user?: string } }[] | null
  'current-context'?: string
}

/** The cluster of a kubeconfig file's current context; `master` takes the place of its server. Throws KubeconfigError. */
export async function accessByKubeconfig(path: string, deps: Deps, options: { master?: string } = {}): Promise<ClusterAccess> {
  const text = await readIfThere(path)
  if (text === undefined)
    throw new KubeconfigError(`there is no kubeconfig ${path}: give --kubeconfig a file that says how to reach the cluster`)
  const file = await parsedFile(text, path)
  const { cluster, user } = chosen(file, path)
  const directory = dirname(resolve(path))
  const server = serverOf(options.master || cluster.server, path)
  if (cluster['proxy-url']) throw new KubeconfigError(`${path}: proxy-url is not supported: give a server that can be reached directly`)
  const insecure = cluster['insecure-skip-tls-verify'] === true
  const ca = await pem(cluster['certificate-authority-data'], cluster['certificate-authority'], directory)
  if (insecure && ca !== undefined) {
    throw new KubeconfigError(`${path}: certificate-authority and insecure-skip-tls-verify exclude each other: remove one`)
  }
  return {
    server,
    ca,
    insecureSkipTlsVerify: insecure,
    tlsServerName: cluster['tls-server-name'] || undefined,
    credentials: credentialsOf(user, { path, directory, server, cluster, ...deps }),
    headers: {
      ...(user.as ? { 'impersonate-user': user.as } : {}),
      ...(user['as-uid'] ? { 'impersonate-uid': user['as-uid'] } : {}),
    },
  }
}

async function parsedFile(text: string, path: string): Promise<KubeconfigFile> {
  const { parse, YAMLParseError } = await import('yaml')
  try {
    const value: unknown = parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new KubeconfigError(`${path} is not a kubeconfig`)
    return value
  } catch (cause) {
    if (cause instanceof YAMLParseError) throw new KubeconfigError(`${path} is not valid YAML: ${cause.message}`, { cause })
    throw cause
  }
}

function chosen(file: KubeconfigFile, path: string): { cluster: ClusterEntry; user: UserEntry } {
  const name = file['current-context']
  const contexts = file.contexts ?? []
  // kube-proxy's own kubeconfigs may have but one context and not say which.
  const context = name ? contexts.find((entry) => entry.name === name) : contexts.length === 1 ? contexts[0] : undefined
  if (!context) throw new KubeconfigError(`${path}: ${name ? `there is no context "${name}"` : 'no current-context is set'}`)
  const clusterName = context.context?.cluster
  const cluster = (file.clusters ?? []).find((entry) => entry.name === clusterName)?.cluster
  if (!cluster) throw new KubeconfigError(`${path}: there is no cluster "${clusterName ?? ''}"`)
  const userName = context.context?.user
  if (!userName) return { cluster, user: {} }
  const user = (file.users ?? []).find((entry) => entry.name === userName)?.user
  if (!user) throw new KubeconfigError(`${path}: there is no user "${userName}"`)
  return { cluster, user }
}

function serverOf(text: string | undefined, path: string): string {
  if (!text) throw new KubeconfigError(`${path}: the cluster has no server`)
  const withScheme = text.includes('://') ? text : `https://${text}`
  if (!URL.canParse(withScheme)) throw new KubeconfigError(`${path}: the server "${text}" is not a URL`)
  const url = new URL(withScheme)
  if (url.protocol !== 'https:') throw new KubeconfigError(`${path}: the server ${text} must be reached by https`)
  return withScheme.replace(/\/+$/, '')
}

async function pem(data: string | undefined, file: string | undefined, directory: string): Promise<string | undefined> {
  if (data) return Buffer.from(data, 'base64').toString('utf8')
  return file ? await readFile(resolve(directory, file), 'utf8') : undefined
}

interface UserContext extends Deps {
  readonly path: string
  readonly directory: string
  readonly server: string
  readonly cluster: ClusterEntry
}

const execVersions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']

/** What the file itself holds goes before files that it names, as in every client of Kubernetes. */
function credentialsOf(user: UserEntry, context: UserContext): Credentials {
  const { path, directory, clock } = context
  if (user['auth-provider']) {
    throw new KubeconfigError(`${path}: auth-provider ${user['auth-provider'].name ?? ''} is no more: use an exec plugin or a token`)
  }
  if (user.exec) return pluginCredentials(user.exec, context)
  const at = (file: string | undefined): string | undefined => (file ? resolve(directory, file) : undefined)
  const base64 = (data: string): string => Buffer.from(data, 'base64').toString('utf8')
  const fixed: Credential = {
    ...(user.token && !user.tokenFile ? { token: user.token } : {}),
    ...(user['client-certificate-data'] ? { cert: base64(user['client-certificate-data']) } : {}),
    ...(user['client-key-data'] ? { key: base64(user['client-key-data']) } : {}),
    ...(user.username ? { basic: `${user.username}:${user.password ?? ''}` } : {}),
  }
  const tokenFile = at(user.tokenFile)
  const certFile = fixed.cert === undefined ? at(user['client-certificate']) : undefined
  const keyFile = fixed.key === undefined ? at(user['client-key']) : undefined
  if (!tokenFile && !certFile && !keyFile) return fixedCredentials(fixed)
  return fileCredentials(
    { ...(tokenFile ? { tokenFile } : {}), ...(certFile ? { certFile } : {}), ...(keyFile ? { keyFile } : {}) },
    fixed,
    clock,
  )
}

function pluginCredentials(plugin: NonNullable<UserEntry['exec']>, context: UserContext): Credentials {
  const { path, directory, server, cluster } = context
  const { apiVersion = '', command } = plugin
  if (!execVersions.includes(apiVersion)) {
    throw new KubeconfigError(`${path}: the exec plugin's apiVersion "${apiVersion}" must be one of ${execVersions.join(', ')}`)
  }
  if (!command) throw new KubeconfigError(`${path}: the exec plugin has no command`)
  if (plugin.interactiveMode === 'Always') throw new KubeconfigError(`${path}: the exec plugin ${command} wants a terminal, here is none`)
  const told = {
    server,
    'certificate-authority-data': cluster['certificate-authority-data'],
    'insecure-skip-tls-verify': cluster['insecure-skip-tls-verify'],
    'tls-server-name': cluster['tls-server-name'],
  }
  return execCredentials(
    {
      apiVersion,
      // A name alone is looked for in PATH; a path is one from where the kubeconfig lies.
      command: command.includes('/') && !isAbsolute(command) ? resolve(directory, command) : command,
      args: plugin.args ?? [],
      env: Object.fromEntries((plugin.env ?? []).map(({ name, value }) => [name, value])),
      cluster: plugin.provideClusterInfo ? told : undefined,
      installHint: plugin.installHint,
    },
    context,
  )
}

const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

/** A pod's own way to its cluster: the service account's token, which is read again as the kubelet renews it. Undefined outside of pods. */
export async function accessFromPod(
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
  folder = accountFolder,
): Promise<ClusterAccess | undefined> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env
  const ca = await readIfThere(`${folder}/ca.crt`)
  if (!host || !port || ca === undefined) return undefined
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca,
    insecureSkipTlsVerify: false,
    tlsServerName: undefined,
    credentials: fileCredentials({ tokenFile: `${folder}/token` }, {}, clock),
    headers: {},
  }
}
