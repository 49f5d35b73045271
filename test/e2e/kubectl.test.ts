import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually } from './harness/command.ts'
import { deployment, nameServer, pod, service } from './harness/manifests.ts'

const image = 'ownkube.test/busybox:1'
let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('kubectl')
  await cluster.importBusybox(image)
})
afterAll(async () => {
  await cluster?.remove()
})

const forever = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done']

describe('kubectl, unchanged', () => {
  it('reads the cluster: version, api-resources, api-versions, explain, nodes', async () => {
    expect(await cluster.must(['version'])).toMatch(/Server Version: v1\.\d+/)
    const resources = await cluster.must(['api-resources'])
    expect(resources).toMatch(/^deployments +deploy +apps\/v1 +true +Deployment$/m)
    expect(resources).toMatch(/^pods +po +v1 +true +Pod$/m)
    expect(await cluster.must(['api-versions'])).toContain('discovery.k8s.io/v1')
    expect(await cluster.must(['explain', 'pod.spec.containers.image'])).toMatch(/Container image name/)
    expect(await cluster.must(['explain', 'deployment.spec', '--recursive'])).toContain('maxSurge')
    expect(await cluster.must(['get', 'nodes'])).toMatch(/ Ready /)
    expect(await cluster.must(['get', 'nodes', '-o', 'wide'])).toMatch(/containerd:\/\//)
    expect(await cluster.must(['describe', 'nodes'])).toMatch(/Capacity:[\s\S]*cpu:/)
  })

  it('runs, shows, enters and deletes a pod', async () => {
    await cluster.apply(
      pod(
        'one',
        [{ image, command: ['sh', '-c', 'echo first; echo second; trap "exit 0" TERM; while :; do sleep 0.2; done'] }],
        {},
        { labels: { tier: 'web' } },
      ),
    )
    await cluster.must(['wait', '--for=condition=Ready', 'pod/one', '--timeout=60s'])
    expect(await cluster.must(['get', 'pods'])).toMatch(/^one +1\/1 +Running +0 +\d+s/m)
    expect(await cluster.must(['get', 'pod', 'one', '-o', 'wide'])).toMatch(/10\.\d+\.\d+\.\d+/)
    expect(await cluster.must(['get', 'pod', 'one', '-o', 'name'])).toBe('pod/one\n')
    expect(await cluster.must(['get', 'pod', 'one', '-o', 'yaml'])).toContain('kind: Pod')
    expect(await cluster.must(['get', 'pod', 'one', '-o', 'jsonpath={.status.phase}'])).toBe('Running')
    expect(await cluster.must(['get', 'pods', '-o', 'custom-columns=N:.metadata.name', '--no-headers'])).toContain('one')
    expect(await cluster.must(['get', 'pods', '-o', 'go-template={{len .items}}'])).toBe('1')
    expect(await cluster.must(['logs', 'one'])).toBe('first\nsecond\n')
    expect(await cluster.must(['logs', 'one', '--tail=1', '--timestamps'])).toMatch(/^\d{4}-.*Z second\n$/)
    expect(await cluster.must(['exec', 'one', '--', 'echo', 'inside'])).toBe('inside\n')
    expect(await cluster.must(['exec', '-i', 'one', '--', 'cat'], { input: 'through stdin' })).toBe('through stdin')
    expect((await cluster.kubectl(['exec', 'one', '--', 'sh', '-c', 'exit 7'])).code).toBe(7)
    const described = await cluster.must(['describe', 'pod', 'one'])
    expect(described).toMatch(/Normal +Scheduled/)
    expect(described).toMatch(/Normal +Started/)
    await cluster.must(['label', 'pod', 'one', 'colour=blue'])
    await cluster.must(['annotate', 'pod', 'one', 'note=seen'])
    expect(await cluster.must(['get', 'pods', '-l', 'colour=blue,tier in (web)', '-o', 'name'])).toBe('pod/one\n')
    expect(await cluster.must(['get', 'pods', '-l', 'colour!=blue', '-o', 'name'])).toBe('')
    expect(await cluster.must(['get', 'pods', '--field-selector', 'status.phase=Running', '-o', 'name'])).toBe('pod/one\n')
    await cluster.must(['delete', 'pod', 'one'])
    expect((await cluster.kubectl(['get', 'pod', 'one'])).stderr).toBe('Error from server (NotFound): pods "one" not found\n')
  })

  it('follows logs and keeps those of the container before', async () => {
    await cluster.apply(pod('twice', [{ image, command: ['sh', '-c', 'echo run; sleep 0.3; exit 1'] }]))
    await eventually(async () => {
      const state = await cluster.json<{
        status: { containerStatuses: { restartCount: number; lastState: { terminated?: { exitCode: number } } }[] }
      }>(['get', 'pod', 'twice'])
      expect(state.status.containerStatuses[0]?.restartCount).toBeGreaterThan(0)
      expect(state.status.containerStatuses[0]?.lastState.terminated?.exitCode).toBe(1)
    })
    expect(await cluster.must(['logs', 'twice', '--previous'])).toBe('run\n')
    expect(await cluster.must(['logs', 'twice', '-f', '--tail=5', '--pod-running-timeout=5s'])).toMatch(/run/)
    await eventually(async () => expect(await cluster.must(['get', 'pod', 'twice'])).toMatch(/CrashLoopBackOff/))
    await cluster.must(['delete', 'pod', 'twice', '--force', '--grace-period=0'])
    await eventually(async () => expect((await cluster.kubectl(['get', 'pod', 'twice'])).code).toBe(1))
  })

  it('applies, changes, scales, rolls out and back a Deployment', async () => {
    await cluster.apply(deployment('web', 2, nameServer(image, [8080])))
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
    expect(await cluster.must(['get', 'deployment', 'web'])).toMatch(/^web +2\/2 +2 +2 /m)
    expect(await cluster.apply(deployment('web', 2, nameServer(image, [8080])))).toContain('unchanged')
    await cluster.must(['scale', 'deployment/web', '--replicas=3'])
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
    await cluster.must([
      'patch',
      'deployment',
      'web',
      '-p',
      '{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"V","value":"2"}]}]}}}}',
    ])
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
    const image2 = await cluster.json<{ spec: { template: { spec: { containers: { image: string; env: unknown[] }[] } } } }>([
      'get',
      'deployment',
      'web',
    ])
    expect(image2.spec.template.spec.containers).toMatchObject([{ image, env: [{ name: 'V', value: '2' }] }])
    await cluster.must(['patch', 'deployment', 'web', '--type=json', '-p', '[{"op":"replace","path":"/spec/replicas","value":2}]'])
    await cluster.must(['patch', 'deployment', 'web', '--type=merge', '-p', '{"metadata":{"labels":{"merged":"yes"}}}'])
    expect(await cluster.must(['rollout', 'history', 'deployment/web'])).toMatch(/^1 .*\n2 /m)
    await cluster.must(['rollout', 'undo', 'deployment/web'])
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
    expect(await cluster.must(['get', 'deployment', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].env}'])).toBe('')
    await cluster.must(['rollout', 'restart', 'deployment/web'])
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
    await cluster.must(['set', 'env', 'deployment/web', 'W=3'])
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
    await eventually(async () =>
      expect((await cluster.must(['get', 'pods', '-l', 'app=web', '-o', 'name'])).trim().split('\n')).toHaveLength(2),
    )
    await cluster.must(['delete', 'deployment', 'web'])
    await eventually(async () => expect(await cluster.must(['get', 'pods,replicasets', '-l', 'app=web', '-o', 'name'])).toBe(''))
  })

  it('edits an object with an editor', async () => {
    await cluster.must(['create', 'configmap', 'settings', '--from-literal=colour=red'])
    const { code, stderr } = await new Promise<{ code: number | null; stderr: string }>((resolve) => {
      const child = spawn(cluster.programs.kubectl, ['--kubeconfig', cluster.kubeconfig, 'edit', 'configmap', 'settings'], {
        env: { ...process.env, EDITOR: 'sed -i s/red/green/', HOME: cluster.folder },
      })
      let text = ''
      child.stderr.on('data', (part) => {
        text += part
      })
      child.on('close', (exit) => resolve({ code: exit, stderr: text }))
    })
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(await cluster.must(['get', 'configmap', 'settings', '-o', 'jsonpath={.data.colour}'])).toBe('green')
    await cluster.must(['delete', 'configmap', 'settings'])
  })

  it('watches changes as they happen', async () => {
    const child = spawn(
      cluster.programs.kubectl,
      ['--kubeconfig', cluster.kubeconfig, 'get', 'configmaps', '-w', '--output-watch-events'],
      { env: { ...process.env, HOME: cluster.folder } },
    )
    let seen = ''
    child.stdout.on('data', (part) => {
      seen += part
    })
    try {
      await eventually(async () => expect(seen).toContain('kube-root-ca.crt'))
      await cluster.must(['create', 'configmap', 'watched', '--from-literal=a=1'])
      await cluster.must(['label', 'configmap', 'watched', 'b=2'])
      await cluster.must(['delete', 'configmap', 'watched'])
      await eventually(async () => expect(seen).toMatch(/ADDED.*watched[\s\S]*MODIFIED.*watched[\s\S]*DELETED.*watched/), 10_000)
    } finally {
      child.kill()
    }
  })

  it('gives a container its configuration, files and limits', async () => {
    await cluster.must(['create', 'configmap', 'conf', '--from-literal=greeting=hello', '--from-literal=file.txt=content'])
    await cluster.must(['create', 'secret', 'generic', 'sec', '--from-literal=password=s3cret'])
    const spec = {
      volumes: [
        { name: 'conf', configMap: { name: 'conf' } },
        { name: 'sec', secret: { secretName: 'sec' } },
        { name: 'scratch', emptyDir: {} },
        { name: 'info', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
      ],
    }
    const container = {
      image,
      command: forever,
      env: [
        { name: 'GREETING', valueFrom: { configMapKeyRef: { name: 'conf', key: 'greeting' } } },
        { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'sec', key: 'password' } } },
        { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'BOTH', value: '$(GREETING) $(POD)' },
      ],
      volumeMounts: [
        { name: 'conf', mountPath: '/conf' },
        { name: 'sec', mountPath: '/sec', readOnly: true },
        { name: 'scratch', mountPath: '/scratch' },
        { name: 'info', mountPath: '/info' },
      ],
      resources: { limits: { memory: '64Mi', cpu: '500m' }, requests: { memory: '16Mi', cpu: '50m' } },
    }
    await cluster.apply(pod('configured', [container], spec, { labels: { part: 'x' } }))
    await cluster.must(['wait', '--for=condition=Ready', 'pod/configured', '--timeout=60s'])
    const say = (script: string): Promise<string> => cluster.must(['exec', 'configured', '--', 'sh', '-c', script])
    expect(await say('echo "$GREETING|$PASSWORD|$BOTH"')).toBe('hello|s3cret|hello configured\n')
    expect(await say('cat /conf/file.txt /sec/password; touch /scratch/x && ls /scratch; cat /info/labels')).toBe(
      'contents3cretx\npart="x"',
    )
    const limit = await say('cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes')
    expect(limit).toBe(`${64 * 1024 * 1024}\n`)
    await cluster.must(['patch', 'configmap', 'conf', '-p', '{"data":{"file.txt":"changed"}}'])
    await eventually(async () => expect(await say('cat /conf/file.txt')).toBe('changed'), 90_000)
    expect(await cluster.must(['get', 'pod', 'configured', '-o', 'jsonpath={.status.qosClass}'])).toBe('Burstable')
    await cluster.must(['delete', 'pod', 'configured'])
    await cluster.must(['delete', 'configmap/conf', 'secret/sec'])
  })

  it('runs probes: a liveness failure restarts, an unready pod gets no traffic', async () => {
    const probed = {
      image,
      command: ['sh', '-c', 'touch /tmp/ready /tmp/live; trap "exit 0" TERM; while :; do sleep 0.2; done'],
      readinessProbe: { exec: { command: ['cat', '/tmp/ready'] }, periodSeconds: 1, failureThreshold: 1 },
      livenessProbe: { exec: { command: ['cat', '/tmp/live'] }, periodSeconds: 1, failureThreshold: 2 },
      ports: [{ containerPort: 80 }],
    }
    await cluster.apply(pod('probed', [probed], {}, { labels: { app: 'probed' } }))
    await cluster.apply(service('probed', { app: 'probed' }, [{ port: 80 }]))
    await cluster.must(['wait', '--for=condition=Ready', 'pod/probed', '--timeout=60s'])
    const endpoints = (): Promise<string> =>
      cluster.must([
        'get',
        'endpointslices',
        '-l',
        'kubernetes.io/service-name=probed',
        '-o',
        'jsonpath={.items[*].endpoints[*].conditions.ready}',
      ])
    await eventually(async () => expect(await endpoints()).toBe('true'))
    await cluster.must(['exec', 'probed', '--', 'rm', '/tmp/ready'])
    await eventually(async () => expect(await endpoints()).toBe('false'))
    await cluster.must(['exec', 'probed', '--', 'rm', '/tmp/live'])
    await eventually(async () =>
      expect(await cluster.must(['get', 'pod', 'probed', '-o', 'jsonpath={.status.containerStatuses[0].restartCount}'])).toBe('1'),
    )
    expect(await cluster.must(['get', 'events', '--field-selector', 'involvedObject.name=probed'])).toMatch(/Liveness probe failed/)
    await cluster.must(['delete', 'pod/probed', 'service/probed'])
  })

  it('empties a namespace that is deleted', async () => {
    await cluster.must(['create', 'namespace', 'short'])
    await cluster.must(['-n', 'short', 'apply', '-f', '-'], { input: deployment('d', 1, { image, command: forever }) })
    await cluster.must(['-n', 'short', 'rollout', 'status', 'deployment/d', '--timeout=60s'])
    await cluster.must(['delete', 'namespace', 'short', '--timeout=60s'])
    expect((await cluster.kubectl(['get', 'namespace', 'short'])).code).toBe(1)
    expect(await cluster.must(['get', 'pods', '-A', '--field-selector', 'metadata.namespace=short', '-o', 'name'])).toBe('')
  })

  it('deletes a pod of several containers', async () => {
    await cluster.apply(
      pod('several', [
        { image, command: forever },
        { image, command: forever },
        { image, command: forever },
      ]),
    )
    await cluster.must(['wait', '--for=condition=Ready', 'pod/several', '--timeout=60s'])
    expect(await cluster.must(['get', 'pod', 'several'])).toMatch(/3\/3/)
    expect((await cluster.kubectl(['exec', 'several', '-c', 'nope', '--', 'true'])).stderr).toMatch(
      /container (not found|nope is not valid)/,
    )
    await cluster.must(['delete', 'pod', 'several', '--timeout=30s'])
    expect((await cluster.kubectl(['get', 'pod', 'several'])).code).toBe(1)
  })
})
