import type { AdmissionPlugin } from './plugin.ts'

/** Not a plug-in upstream, where the storage of roles and bindings checks it. */
export const rbacEscalation: AdmissionPlugin = {
  name: 'RBACEscalation',
  admit(request, facts) {
    const { object } = request
    if (object) facts.checkEscalation({ ...request, object })
  },
}
