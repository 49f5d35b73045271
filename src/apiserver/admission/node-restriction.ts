import { checkNodeRestriction } from '../access/node-restriction.ts'
import type { AdmissionPlugin } from './plugin.ts'

export const nodeRestriction: AdmissionPlugin = {
  name: 'NodeRestriction',
  admit: checkNodeRestriction,
  // Nothing is filled in for a status, and nobody else is asked before.
  validate: (request) => {
    if (request.subresource === 'status') checkNodeRestriction(request)
  },
}
