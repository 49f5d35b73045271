import type { Ingress, PersistentVolumeClaim } from '../../api/generated/types.ts'
import type { Kind } from '../../api/kind.ts'
import { ingressClasses, ingresses, persistentVolumeClaims, storageClasses } from '../../api/registry.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { type AdmissionFacts, type AdmissionPlugin, isOf } from './plugin.ts'

const storageDefaults = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class']
const ingressDefaults = ['ingressclass.kubernetes.io/is-default-class']
const oldIngressClass = 'kubernetes.io/ingress.class'
const oldStorageClass = 'volume.beta.kubernetes.io/storage-class'

/** Of several defaults the newest, then the first by name: so a new one takes over before the old one is unmarked. */
function defaultOf<T extends KubeObject>(facts: AdmissionFacts, kind: Kind<T>, annotations: readonly string[]): string | undefined {
  const marked = facts.list(kind, undefined).filter(({ metadata }) => annotations.some((one) => metadata.annotations?.[one] === 'true'))
  const made = ({ metadata }: T): number => Date.parse(metadata.creationTimestamp) || 0
  return marked.sort((a, b) => made(b) - made(a) || (a.metadata.name < b.metadata.name ? -1 : 1))[0]?.metadata.name
}

/** A claim that says nothing of its class gets the default one; an empty class is a choice. */
export const defaultStorageClass: AdmissionPlugin = {
  name: 'DefaultStorageClass',
  admit(request, facts) {
    if (request.operation !== 'create' || !isOf(request, persistentVolumeClaims)) return
    const { metadata, spec } = request.object as PersistentVolumeClaim
    if (metadata.annotations?.[oldStorageClass] !== undefined || spec.storageClassName !== undefined) return
    const name = defaultOf(facts, storageClasses, storageDefaults)
    if (name !== undefined) spec.storageClassName = name
  },
}

export const defaultIngressClass: AdmissionPlugin = {
  name: 'DefaultIngressClass',
  admit(request, facts) {
    if (request.operation !== 'create' || !isOf(request, ingresses)) return
    const ingress = request.object as Ingress
    if (ingress.metadata.annotations?.[oldIngressClass] !== undefined || ingress.spec?.ingressClassName !== undefined) return
    const name = defaultOf(facts, ingressClasses, ingressDefaults)
    if (name !== undefined) ingress.spec = { ...ingress.spec, ingressClassName: name }
  },
}
