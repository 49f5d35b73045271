import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually } from './harness/command.ts'
import { deployment, pod, service } from './harness/manifests.ts'

/** What a user gets wrong: each with Kubernetes' own answer, and nothing half-done. */
const image = 'ownkube.test/busybox:1'
let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('badinput')
  await cluster.importBusybox(image)
})
afterAll(async () => {
  await cluster?.remove()
})

const refused = async (manifest: string, ...flags: string[]): Promise<string> => {
  const { code, stderr } = await cluster.kubectl(['apply', ...flags, '-f', '-'], { input: manifest })
  expect(code).toBe(1)
  return stderr
}

describe('the API refuses', () => {
  it('wrong YAML', async () => {
    expect(await refused('kind: Pod\n  bad: [')).toMatch(/error (parsing|converting YAML)/)
  })

  it('unknown fields and wrong types, whoever validates', async () => {
    const unknown = pod('p', [{ image, imagee: 'x' }])
    expect(await refused(unknown)).toMatch(/strict decoding error: unknown field "spec\.containers\[0\]\.imagee"/)
    const { stderr } = await cluster.kubectl(['apply', '--validate=warn', '-f', '-', '--dry-run=server'], { input: unknown })
    expect(stderr).toMatch(/Warning: unknown field "spec\.containers\[0\]\.imagee"/)
    expect(await refused('{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":"none"}}')).toMatch(
      /cannot be handled as a Pod|cannot unmarshal string/,
    )
    expect(await refused('{"apiVersion":"v1","kind":"Prod","metadata":{"name":"p"}}')).toMatch(/no matches for kind "Prod" in version "v1"/)
  })

  it('a namespace that is not there', async () => {
    const { code, stderr } = await cluster.kubectl(['-n', 'nowhere', 'apply', '-f', '-'], { input: pod('p', [{ image }]) })
    expect(code).toBe(1)
    expect(stderr).toBe('Error from server (NotFound): error when creating "STDIN": namespaces "nowhere" not found\n')
  })

  it('ports out of range, names that are none, missing fields', async () => {
    expect(await refused(service('s', {}, [{ port: 70000 }]))).toContain(
      'spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive',
    )
    expect(await refused(service('Not_a_name', {}, [{ port: 1 }]))).toMatch(
      /metadata\.name: Invalid value: "Not_a_name": a (DNS-1035 label|lowercase RFC)/,
    )
    expect(await refused(pod('UPPER', [{ image }]))).toMatch(/metadata\.name: Invalid value: "UPPER": a lowercase RFC 1123 subdomain/)
    expect(await refused('{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"a"}]}}')).toMatch(
      /spec\.containers\[0\]\.image: Required value/,
    )
    const mismatch = JSON.parse(deployment('d', 1, { image })) as { spec: { selector: { matchLabels: Record<string, string> } } }
    mismatch.spec.selector.matchLabels = { app: 'other' }
    expect(await refused(JSON.stringify(mismatch))).toContain('`selector` does not match template `labels`')
    expect(await refused(pod('p', [{ image, resources: { requests: { cpu: 'lots' } } }]))).toMatch(
      /quantities must match the regular expression/,
    )
  })

  it('a change of what cannot change, and a stale update', async () => {
    await cluster.apply(deployment('fixed', 0, { image }))
    expect(
      (await cluster.kubectl(['patch', 'deployment', 'fixed', '-p', '{"spec":{"selector":{"matchLabels":{"x":"y"}}}}'])).stderr,
    ).toMatch(/field is immutable|selector/)
    await cluster.must(['create', 'configmap', 'stale', '--from-literal=a=1'])
    const object = JSON.parse(await cluster.must(['get', 'configmap', 'stale', '-o', 'json'])) as { data: Record<string, string> }
    await cluster.must(['patch', 'configmap', 'stale', '-p', '{"data":{"a":"2"}}'])
    const { stderr, code } = await cluster.kubectl(['replace', '-f', '-'], { input: JSON.stringify({ ...object, data: { a: '3' } }) })
    expect(code).toBe(1)
    expect(stderr).toContain('the object has been modified; please apply your changes to the latest version and try again')
    await cluster.must(['delete', 'deployment/fixed', 'configmap/stale'])
  })

  it('a name that is taken, and paths and selectors that are nonsense', async () => {
    await cluster.must(['create', 'configmap', 'twice'])
    expect((await cluster.kubectl(['create', 'configmap', 'twice'])).stderr).toContain('configmaps "twice" already exists')
    await cluster.must(['delete', 'configmap', 'twice'])
    expect((await cluster.kubectl(['get', '--raw', '/apis/nonsense/v1'])).stderr).toContain(
      'the server could not find the requested resource',
    )
    expect((await cluster.kubectl(['get', 'pods', '--field-selector', 'spec.nonsense=1'])).stderr).toMatch(/field label not supported/)
    expect((await cluster.kubectl(['get', '--raw', '/api/v1/pods?labelSelector=a%20in%20('])).stderr).toMatch(
      /unable to parse requirement|found ''/,
    )
  })
})

describe('the node says', () => {
  const reasonOf = (name: string): Promise<string> =>
    cluster.must(['get', 'pod', name, '-o', 'jsonpath={.status.containerStatuses[0].state.waiting.reason}'])
  const eventsOf = (name: string): Promise<string> => cluster.must(['get', 'events', '--field-selector', `involvedObject.name=${name}`])

  it('when an image is not there', async () => {
    await cluster.apply(pod('noimage', [{ image: 'ownkube.test/missing:1', imagePullPolicy: 'IfNotPresent' }]))
    await eventually(async () => expect(await reasonOf('noimage')).toMatch(/^(ErrImagePull|ImagePullBackOff)$/))
    await eventually(async () => expect(await reasonOf('noimage')).toBe('ImagePullBackOff'), 90_000)
    expect(await eventsOf('noimage')).toMatch(/Failed to pull image "ownkube\.test\/missing:1"/)
    await cluster.apply(pod('never', [{ image: 'ownkube.test/missing:1', imagePullPolicy: 'Never' }]))
    await eventually(async () => expect(await reasonOf('never')).toBe('ErrImageNeverPull'))
    await cluster.must(['delete', 'pod', 'noimage', 'never'])
  })

  it('when a command is not there', async () => {
    await cluster.apply(pod('nocommand', [{ image, command: ['/no/such/program'] }]))
    await eventually(async () => {
      const state = await cluster.must(['get', 'pod', 'nocommand', '-o', 'jsonpath={.status.containerStatuses[0]}'])
      expect(state).toMatch(/no such file or directory/)
      expect(state).toMatch(/StartError|RunContainerError|CrashLoopBackOff/)
    })
    expect(await eventsOf('nocommand')).toMatch(/Failed/)
    await cluster.must(['delete', 'pod', 'nocommand'])
  })

  it('when a ConfigMap is not there, and goes on once it is', async () => {
    await cluster.apply(pod('noconf', [{ image, command: ['sleep', '1000'], envFrom: [{ configMapRef: { name: 'later' } }] }]))
    await eventually(async () => expect(await reasonOf('noconf')).toBe('CreateContainerConfigError'))
    expect(await eventsOf('noconf')).toMatch(/configmap "later" not found/)
    await cluster.must(['create', 'configmap', 'later', '--from-literal=a=1'])
    await cluster.must(['wait', '--for=condition=Ready', 'pod/noconf', '--timeout=90s'])
    await cluster.must(['delete', 'pod/noconf', 'configmap/later', '--grace-period=1'])
  })

  it('when a pod fits nowhere', async () => {
    await cluster.apply(pod('huge', [{ image, resources: { requests: { cpu: '1000' } } }]))
    await eventually(async () => expect(await eventsOf('huge')).toMatch(/0\/1 nodes are available: 1 Insufficient cpu/))
    await cluster.apply(pod('picky', [{ image }], { nodeSelector: { nowhere: 'true' } }))
    await eventually(async () => expect(await eventsOf('picky')).toMatch(/didn't match Pod's node affinity\/selector/))
    await cluster.must(['delete', 'pod', 'huge', 'picky'])
  })
})
