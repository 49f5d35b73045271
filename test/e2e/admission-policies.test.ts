import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BareApiServer, startBareApiServer } from './harness/bare-api-server.ts'

let server: BareApiServer
beforeAll(async () => {
  server = await startBareApiServer()
})
afterAll(() => server?.close())

const kubectl = (...args: string[]): Promise<string> => server.kubectl(...args)

async function apply(name: string, manifest: string): Promise<string> {
  const file = join(server.directory, `${name}.yaml`)
  await writeFile(file, manifest)
  return kubectl('apply', '-f', file)
}

/** The first example of docs/policies.md in which something is said. */
async function example(says: string): Promise<string> {
  const text = await readFile(new URL('../../docs/policies.md', import.meta.url), 'utf8')
  const found = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block]) => block as string).find((block) => block.includes(says))
  if (!found) throw new Error(`no example says ${says}`)
  return found
}

test('a policy that says no is heard by kubectl, whatever it does', async () => {
  expect(await apply('few', await example('few-replicas'))).toBe(
    'validatingadmissionpolicy.admissionregistration.k8s.io/few-replicas created\nvalidatingadmissionpolicybinding.admissionregistration.k8s.io/few-replicas created\n',
  )
  const denied = "ValidatingAdmissionPolicy 'few-replicas' with binding 'few-replicas' denied request: at most 5 replicas, not 6"
  expect(await kubectl('create', 'deployment', 'web', '--image=web:1', '--replicas=6')).toContain(
    `deployments.apps "web" is forbidden: ${denied}`,
  )
  expect(await kubectl('create', 'deployment', 'web', '--image=web:1', '--replicas=5')).toBe('deployment.apps/web created\n')
  expect(await kubectl('patch', 'deployment', 'web', '-p', '{"spec":{"replicas":6}}')).toContain(denied)
  expect(await kubectl('create', 'deployment', 'other', '--image=web:1', '--replicas=6', '--dry-run=server')).toContain(denied)
  // The rules name deployments alone, not their scale.
  expect(await kubectl('scale', 'deployment', 'web', '--replicas=6')).toBe('deployment.apps/web scaled\n')
  expect(await kubectl('get', 'validatingadmissionpolicies', '--no-headers')).toMatch(/^few-replicas +1 +<unset> +\d+s\n$/)
  await kubectl('delete', 'validatingadmissionpolicybinding', 'few-replicas')
  expect(await kubectl('create', 'deployment', 'many', '--image=web:1', '--replicas=6')).toBe('deployment.apps/many created\n')
})

test('a policy that cannot work is refused, with the place of the fault', async () => {
  const answer = await apply(
    'bad',
    (await example('few-replicas')).replaceAll('few-replicas', 'bad').replace('replicas <= 5', 'replicas <= five'),
  )
  expect(answer).toContain("ERROR: <input>:1:25: undeclared reference to 'five' (in container '')")
})

test('a policy that warns lets go on', async () => {
  await apply('warn', (await example('few-replicas')).replaceAll('few-replicas', 'warn').replace('[Deny]', '[Warn]'))
  const answer = await kubectl('create', 'deployment', 'warned', '--image=web:1', '--replicas=7')
  expect(answer).toContain("Warning: Validation failed for ValidatingAdmissionPolicy 'warn' with binding 'warn': at most 5 replicas, not 7")
  expect(answer).toContain('deployment.apps/warned created')
})

test('a policy that changes what is written', async () => {
  const named = (kind: string, name: string): string =>
    `apiVersion: admissionregistration.k8s.io/v1\nkind: ${kind}\nmetadata: {name: ${name}}\n`
  await apply('made-by', named('MutatingAdmissionPolicy', 'made-by') + (await example('made-by')))
  await apply('made-by-b', `${named('MutatingAdmissionPolicyBinding', 'made-by')}spec: {policyName: made-by}\n`)
  expect(await kubectl('run', 'web', '--image=web:1')).toBe('pod/web created\n')
  expect(await kubectl('get', 'pod', 'web', '-o', 'jsonpath={.metadata.labels}')).toContain('"made-by":')
})
