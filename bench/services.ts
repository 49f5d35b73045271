import { fileURLToPath } from 'node:url'
import { measureInBed } from './network/packet-bed.ts'

/**
 * What it costs to program Services, by our back ends and by kube-proxy's layouts; needs root.
 * `--sizes 100,1000`, `--back-ends 'ownkube nftables,kube-proxy nftables'`.
 */
export async function run(flags: readonly string[]): Promise<void> {
  await measureInBed(fileURLToPath(new URL('./network/measure-services.ts', import.meta.url)), flags)
}
