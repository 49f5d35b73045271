/** What a request to the kubelet's server asks for. */
export type KubeletRoute =
  | { to: 'healthz' | 'pods' | 'stats' | 'metrics' }
  | { to: 'logs'; namespace: string; pod: string; container: string }
  | { to: 'exec' | 'attach'; namespace: string; pod: string; uid: string | undefined; container: string }
  | { to: 'portForward'; namespace: string; pod: string; uid: string | undefined }

/** Upstream's paths: /containerLogs/{ns}/{pod}/{container}, /exec/{ns}/{pod}[/{uid}]/{container}, ... */
export function routeOf(path: string): KubeletRoute | undefined {
  const [first, ...rest] = path.split('/').filter(Boolean).map(decodeURIComponent)
  const [namespace, pod, third, fourth] = rest
  switch (first) {
    case 'healthz':
      return { to: 'healthz' }
    case 'pods':
      return { to: 'pods' }
    case 'metrics':
      return { to: 'metrics' }
    case 'stats':
      return namespace === 'summary' ? { to: 'stats' } : undefined
    case 'containerLogs':
      return namespace && pod && third && rest.length === 3 ? { to: 'logs', namespace, pod, container: third } : undefined
    case 'exec':
    case 'attach':
      if (!namespace || !pod || !third || rest.length > 4) return undefined
      return { to: first, namespace, pod, uid: fourth ? third : undefined, container: fourth ?? third }
    case 'portForward':
      return namespace && pod && rest.length <= 3 ? { to: 'portForward', namespace, pod, uid: third } : undefined
    default:
      return undefined
  }
}
