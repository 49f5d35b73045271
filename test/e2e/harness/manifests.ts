/** Manifests of the tests, as JSON texts that kubectl takes. */

interface Container {
  name?: string
  image: string
  command?: readonly string[]
  [field: string]: unknown
}

const text = (object: object): string => JSON.stringify(object)

export function pod(
  name: string,
  containers: readonly Container[],
  spec: Record<string, unknown> = {},
  metadata: Record<string, unknown> = {},
): string {
  return text({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...metadata },
    spec: {
      terminationGracePeriodSeconds: 1,
      ...spec,
      containers: containers.map((container, at) => ({ name: at === 0 ? 'main' : `c${at}`, ...container })),
    },
  })
}

export function deployment(
  name: string,
  replicas: number,
  container: Container,
  extra: { spec?: Record<string, unknown>; podSpec?: Record<string, unknown> } = {},
): string {
  return text({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', ...container }], ...extra.podSpec },
      },
      ...extra.spec,
    },
  })
}

export function service(
  name: string,
  selector: Record<string, string>,
  ports: readonly Record<string, unknown>[],
  spec: Record<string, unknown> = {},
): string {
  return text({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector, ports, ...spec } })
}

/** A server that answers every request with its host's name, on the ports given. */
export function nameServer(image: string, ports: readonly number[]): Container {
  const servers = ports.map((port) => `httpd -f -p ${port} -h /www &`).join(' ')
  const script = `mkdir -p /www/cgi-bin; printf '#!/bin/sh\\nprintf "\\\\r\\\\n"; hostname\\n' > /www/cgi-bin/index.cgi; chmod +x /www/cgi-bin/index.cgi; trap 'exit 0' TERM; ${servers} wait`
  return { image, command: ['sh', '-c', script], readinessProbe: { tcpSocket: { port: ports[0] }, periodSeconds: 1 } }
}
