import type { Pod } from '../../api/generated/types.ts'
import { namespaces } from '../../api/registry.ts'
import { forbidden, internalError } from '../../machinery/status.ts'
import { parseLabelMap } from './label-map.ts'
import { type AdmissionFacts, type AdmissionPlugin, type AdmissionRequest, isPodCreate } from './plugin.ts'

/** Selectors as text, by namespace: all that its pods may ask for. Under `clusterDefaultNodeSelector`, what those of others get. */
export type NodeSelectors = Readonly<Record<string, string>>

const annotation = 'scheduler.alpha.kubernetes.io/node-selector'
type Labels = Readonly<Record<string, string>>

/** Pods go to the nodes that their namespace is for. */
export function podNodeSelector(selectors: NodeSelectors = {}): AdmissionPlugin {
  return {
    name: 'PodNodeSelector',
    admit(request, facts) {
      if (!isPodCreate(request)) return
      const { spec } = request.object as Pod
      const ofNamespace = selectorOf(request, facts, selectors)
      refuseConflict(request, ofNamespace, spec.nodeSelector ?? {})
      const merged = { ...ofNamespace, ...spec.nodeSelector }
      if (Object.keys(merged).length > 0) spec.nodeSelector = merged
    },
    validate(request, facts) {
      if (!isPodCreate(request)) return
      const asked = (request.object as Pod).spec.nodeSelector ?? {}
      refuseConflict(request, selectorOf(request, facts, selectors), asked)
      const allowed = labelsOf(selectors[request.namespace ?? ''] ?? '')
      if (Object.keys(allowed).length === 0 || Object.entries(asked).every(([key, value]) => allowed[key] === value)) return
      throw forbidden(request.kind, request.name, 'pod node label selector labels conflict with its namespace whitelist')
    },
  }
}

function selectorOf({ namespace }: AdmissionRequest, facts: AdmissionFacts, selectors: NodeSelectors): Labels {
  const said = facts.get(namespaces, undefined, namespace ?? '')?.metadata.annotations?.[annotation]
  return labelsOf(said ?? selectors.clusterDefaultNodeSelector ?? '')
}

function labelsOf(text: string): Labels {
  const { labels, fault } = parseLabelMap(text)
  if (fault !== undefined) throw internalError(fault)
  return labels
}

function refuseConflict({ kind, name }: AdmissionRequest, ofNamespace: Labels, asked: Labels): void {
  if (Object.entries(ofNamespace).every(([key, value]) => asked[key] === undefined || asked[key] === value)) return
  throw forbidden(kind, name, 'pod node label selector conflicts with its namespace node label selector')
}
