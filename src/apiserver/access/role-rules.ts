import type { PolicyRule } from '../../api/generated/types.ts'

/** Rules as the tables of default roles write them: lists are words with single spaces, the core group is `core`. */
const words = (text: string): string[] => text.split(' ').map((word) => (word === 'core' ? '' : word))

/** `allow('get list', 'core apps', 'pods deployments')` */
export function allow(verbs: string, groups: string, resources: string, names?: string): PolicyRule {
  const rule = { verbs: words(verbs), apiGroups: words(groups), resources: words(resources) }
  return names === undefined ? rule : { ...rule, resourceNames: words(names) }
}

export const readVerbs = 'get list watch'
const writeVerbs = 'create delete deletecollection patch update'
export const everyVerb = 'create delete deletecollection get list patch update watch'

export const read = (groups: string, resources: string): PolicyRule => allow(readVerbs, groups, resources)
export const write = (groups: string, resources: string): PolicyRule => allow(writeVerbs, groups, resources)
export const readPaths = (...nonResourceURLs: string[]): PolicyRule => ({ verbs: ['get'], nonResourceURLs })

export const tellEvents = allow('create patch update', 'core events.k8s.io', 'events')
