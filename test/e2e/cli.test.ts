import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { TestCluster } from './harness/cluster.ts'
import { ownkube, run } from './harness/command.ts'
import { clean, machineState } from './harness/machine.ts'

describe('the command line', () => {
  it('has help worth reading for every command', async () => {
    const { stdout, code } = await ownkube(['--help'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/Exit codes:/)
    for (const command of ['up', 'down', 'demo', 'status', 'logs', 'kubeconfig', 'image', 'image build', 'image import', 'image list']) {
      const help = await ownkube([...command.split(' '), '--help'])
      expect(help.code, command).toBe(0)
      expect(help.stdout.length, command).toBeGreaterThan(200)
    }
  })

  it('answers a wrong word or flag with the nearest right one, and 2', async () => {
    const word = await ownkube(['stauts'])
    expect(word.stderr).toContain('Did you mean status?')
    expect(word.code).toBe(2)
    const flag = await ownkube(['up', '--api-prot', '1'])
    expect(flag.stderr).toContain('--api-port')
    expect(flag.code).toBe(2)
    const value = await ownkube(['up', '--api-port', '99999'])
    expect(value.stderr).toContain('A port is a number from 1 to 65535')
    expect(value.code).toBe(2)
    const component = await ownkube(['logs', 'kublet'])
    expect(component.stderr).toContain('did you mean kubelet?')
    expect(component.code).toBe(2)
    expect((await ownkube(['up', '--pod-cidr', '10.0.0.1/16'])).stderr).toContain('host bits')
  })

  it('says that there is no cluster, with 3', async () => {
    for (const command of ['status', 'down', 'kubeconfig', 'logs']) {
      const { code, stderr } = await ownkube([command, '--name', 'nowhere'])
      expect(stderr, command).toMatch(/there is no cluster nowhere in .*: 'sudo \.\/ownkube up --name nowhere' makes one/)
      expect(code, command).toBe(3)
    }
  })

  it('needs root to boot, and says so', async () => {
    const { code, stderr } = await run('setpriv', [
      '--reuid=65534',
      '--clear-groups',
      // The clone may lie in a home that only its owner can look into.
      '--inh-caps=+dac_read_search',
      '--ambient-caps=+dac_read_search',
      process.execPath,
      'dist/ownkube.mjs',
      'up',
      '--name',
      'x',
    ])
    expect(stderr).toContain("run 'sudo ./ownkube up'")
    expect(code).toBe(77)
  })

  it('refuses to install with --no-install, and lists what is missing', async () => {
    const { code, stderr } = await run(process.execPath, ['dist/ownkube.mjs', 'up', '--name', 'x', '--no-install'], {
      env: { OWNKUBE_PROGRAM_PATH: '/nonexistent' },
    })
    expect(code).toBe(69)
    expect(stderr).toMatch(/containerd +runs containers \(Debian package containerd\)/)
    expect(stderr).toContain('apt-get install --no-install-recommends containerd runc')
  })

  it('names who has the port that it needs, and leaves nothing half-done', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    const dataDir = join('/tmp', `ownkube-port-${process.pid}`)
    const name = `t-port-${process.pid}`
    try {
      const { code, stderr } = await ownkube(['up', '--name', name, '--data-dir', dataDir, '--api-port', String(port)])
      expect(code).toBe(1)
      expect(stderr).toMatch(new RegExp(`port ${port} is in use by .*\\(process ${process.pid}\\).*--api-port`))
      expect(await machineState(name)).toEqual(clean)
    } finally {
      server.close()
      await ownkube(['down', '--delete', '--name', name, '--data-dir', dataDir])
    }
    expect(existsSync(dataDir)).toBe(false)
  })
})

describe('a cluster from up to down', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await TestCluster.start('life')
  })
  afterAll(async () => {
    await cluster?.remove()
  })

  it('keeps keys to itself', () => {
    for (const name of ['ca', 'apiserver', 'admin', 'kubelet-client']) {
      expect(statSync(join(cluster.dataDir, 'pki', `${name}.key`)).mode & 0o777, name).toBe(0o600)
    }
    expect(statSync(cluster.kubeconfig).mode & 0o777).toBe(0o600)
  })

  it('is found by a second up, also by two at once', async () => {
    const pids = [cluster.pid('server'), cluster.pid('agent')]
    const both = await Promise.all([cluster.ownkube('up'), cluster.ownkube('up')])
    for (const { code, stdout } of both) {
      expect(code).toBe(0)
      expect(stdout).toContain('is running already')
    }
    expect([cluster.pid('server'), cluster.pid('agent')]).toEqual(pids)
  })

  it('shows its status, as text and JSON', async () => {
    const text = await cluster.ownkube('status')
    expect(text.code).toBe(0)
    expect(text.stdout).toMatch(/^server +\d+ +\d{4}-/m)
    expect(text.stdout).toMatch(/Ready/)
    const json = JSON.parse((await cluster.ownkube('status', '-o', 'json')).stdout) as {
      components: { running: boolean }[]
      nodes: { ready: boolean }[]
    }
    expect(json.components.every(({ running }) => running)).toBe(true)
    expect(json.nodes).toMatchObject([{ ready: true }])
  })

  it('prints logs by component', async () => {
    expect((await cluster.ownkube('logs', 'server')).stdout).toMatch(/INFO/)
    const kubelet = (await cluster.ownkube('logs', 'kubelet')).stdout.trim().split('\n')
    expect(kubelet.every((line) => line.includes(' kubelet'))).toBe(true)
    expect((await cluster.ownkube('logs', 'server', '--tail', '1')).stdout.trim().split('\n')).toHaveLength(1)
  })

  it('merges its context into the user kubeconfig and harms nothing there', async () => {
    const path = join(cluster.folder, 'user.kubeconfig')
    const theirs = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'work',
      contexts: [{ name: 'work', context: { cluster: 'w', user: 'w' } }],
      clusters: [{ name: 'w', cluster: { server: 'https://w' } }],
      users: [{ name: 'w', user: { token: 't' } }],
    }
    writeFileSync(path, `# mine\n${JSON.stringify(theirs)}\n`, { mode: 0o600 })
    // A link, as kept by people whose settings lie elsewhere.
    renameSync(path, `${path}.real`)
    symlinkSync(`${path}.real`, path)
    expect((await cluster.ownkube('up')).code).toBe(0)
    expect(lstatSync(path).isSymbolicLink()).toBe(true)
    const merged = parse(readFileSync(path, 'utf8')) as typeof theirs
    expect(merged['current-context']).toBe('work')
    expect(merged.contexts.map(({ name }) => name)).toEqual(['work', `ownkube-${cluster.name}`])
    expect(merged.users[0]).toEqual(theirs.users[0])
    const { stdout } = await run(cluster.programs.kubectl, [
      '--kubeconfig',
      path,
      '--context',
      `ownkube-${cluster.name}`,
      'get',
      'nodes',
      '-o',
      'name',
    ])
    expect(stdout).toMatch(/^node\//)
  })

  it('builds, imports and lists images', async () => {
    const folder = join(cluster.folder, 'tiny')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'hello.txt'), 'hello\n')
    const without = await cluster.ownkube('image build', folder, '--tag', 'tiny:1')
    expect(without.code).toBe(1)
    expect(without.stderr).toContain('has no image.json')
    writeFileSync(join(folder, 'image.json'), '{"cmd": ["/hello"]}')
    const archive = join(cluster.folder, 'tiny.tar')
    expect((await cluster.ownkube('image build', folder, '--tag', 'tiny:1', '--output', archive)).code).toBe(0)
    const first = readFileSync(archive)
    expect((await cluster.ownkube('image build', folder, '--tag', 'tiny:1', '--output', archive)).code).toBe(0)
    expect(readFileSync(archive).equals(first), 'the same folder gives the same bytes').toBe(true)
    const imported = await cluster.ownkube('image import', archive)
    expect(imported.stderr).toBe('')
    expect((await cluster.ownkube('image list')).stdout).toMatch(/docker\.io\/library\/tiny:1/)
    const missing = await cluster.ownkube('image import', '/no/such.tar')
    expect(missing.code).toBe(1)
    expect(missing.stderr).toContain('/no/such.tar')
    writeFileSync(archive, 'this is no archive')
    const broken = await cluster.ownkube('image import', archive)
    expect(broken.code).toBe(1)
    expect(broken.stderr).toMatch(/is no (tar|image) archive/)
  })

  it('goes down and leaves nothing but its data; up brings the objects back; --delete takes all', async () => {
    await cluster.must(['create', 'configmap', 'kept', '--from-literal=a=1'])
    const down = await cluster.down()
    expect(down.stderr).not.toMatch(/error/i)
    expect(down.code).toBe(0)
    expect(await machineState(cluster.name)).toEqual(clean)
    expect(existsSync(cluster.runDir)).toBe(false)
    expect((await cluster.ownkube('status')).code).toBe(3)
    expect((await cluster.down()).code, 'down twice').toBe(0)
    expect((await cluster.ownkube('up')).code).toBe(0)
    expect(await cluster.must(['get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}'])).toBe('1')
    expect((await cluster.ownkube('down', '--delete')).code).toBe(0)
    expect(existsSync(cluster.dataDir)).toBe(false)
    expect(readFileSync(join(cluster.folder, 'user.kubeconfig'), 'utf8')).not.toContain(cluster.name)
  })

  it('refuses a damaged store by name, and takes down again what it began', async () => {
    expect((await cluster.ownkube('up')).code).toBe(0)
    expect((await cluster.down()).code).toBe(0)
    const store = join(cluster.dataDir, 'store')
    const largest = readdirSync(store)
      .map((name) => join(store, name))
      .sort((a, b) => statSync(b).size - statSync(a).size)[0] as string
    const bytes = readFileSync(largest)
    bytes[200] = (bytes[200] ?? 0) ^ 0xff
    writeFileSync(largest, bytes)
    const { code, stderr } = await cluster.ownkube('up')
    expect(code).toBe(1)
    expect(stderr).toContain(largest)
    expect(await machineState(cluster.name)).toEqual(clean)
  })
})
