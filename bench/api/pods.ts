import type { KubeObject } from '../../src/machinery/object.ts'

export const namespace = 'bench'
/** Holds one pod alone. */
export const loneNamespace = 'bench-lone'

export const podName = (index: number): string => `web-5d8f9c7b64-${String(index).padStart(6, '0')}`

const probe = (path: string): object => ({ httpGet: { path, port: 8080 }, periodSeconds: 10, timeoutSeconds: 1 })

/**
 * A pod as a Deployment of some size would make it; nobody schedules it. It has no owner: nobody collects it either.
 * `image` is what patches change.
 */
export function podAsked(name: string, image: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: { app: 'web', 'pod-template-hash': '5d8f9c7b64', 'app.kubernetes.io/name': 'web', 'app.kubernetes.io/part-of': 'shop' },
      annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9090' },
    },
    spec: {
      schedulerName: 'nobody',
      containers: [
        {
          ...{ name: 'web', image, args: ['--listen=:8080', '--log-level=info'], ports: [{ name: 'http', containerPort: 8080 }] },
          env: [
            { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
            { name: 'DATABASE_HOST', value: 'database.shop.svc.cluster.local' },
          ],
          resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
          livenessProbe: probe('/healthz'),
          readinessProbe: probe('/readyz'),
          volumeMounts: [{ name: 'config', mountPath: '/etc/web' }],
        },
      ],
      volumes: [{ name: 'config', configMap: { name: 'web' } }],
    },
  }
}

const at = '2026-01-01T00:00:00Z'
const condition = (type: string): object => ({ type, status: 'True', lastProbeTime: null, lastTransitionTime: at })
const started = (name: string, image: string): object => ({
  ...{ name, image, imageID: `sha256:${'a'.repeat(64)}`, containerID: `containerd://${'b'.repeat(64)}` },
  ...{ ready: true, started: true, restartCount: 0, state: { running: { startedAt: at } }, lastState: {} },
})

/** What a kubelet would say of it. `message` is what writes of the status change. */
export const statusOf = (message: string): object => ({
  ...{
    phase: 'Running',
    message,
    hostIP: '192.0.2.1',
    hostIPs: [{ ip: '192.0.2.1' }],
    podIP: '10.244.0.7',
    podIPs: [{ ip: '10.244.0.7' }],
  },
  ...{ startTime: at, qosClass: 'Burstable', conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map(condition) },
  containerStatuses: [started('web', 'registry.example/web:1.0')],
})

/** The stored pod under another name; `index` makes its uid. */
export function copyOf(pod: KubeObject, place: { namespace: string; name: string }, index: number): KubeObject {
  const uid = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
  return { ...pod, metadata: { ...pod.metadata, ...place, uid } }
}
