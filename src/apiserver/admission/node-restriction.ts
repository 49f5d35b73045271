import { checkNodeRestriction } from '../access/node-restriction.ts'
import type { AdmissionPlugin } from './plugin.ts'

export const nodeRestriction: AdmissionPlugin = { name: 'NodeRestriction', admit: checkNodeRestriction }
