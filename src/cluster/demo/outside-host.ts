import { type Exec, mustRun } from '../../host/exec.ts'

/**
 * A network namespace that plays a host outside the cluster: it knows nothing of pods or Services, only a way to the node.
 * Its addresses are of TEST-NET-2 (RFC 5737), which no real network has.
 */
export class OutsideHost {
  private readonly exec: Exec
  readonly namespace: string
  private readonly link: string

  /** `tag` keeps the hosts of several clusters apart: at most 8 letters. */
  constructor(exec: Exec, tag: string) {
    this.exec = exec
    this.namespace = `ownkube-out-${tag}`
    this.link = `okout-${tag}`
  }

  async create(): Promise<void> {
    await this.remove()
    await mustRun(this.exec, 'ip', ['netns', 'add', this.namespace])
    const commands = [
      `link add ${this.link} type veth peer name eth0 netns ${this.namespace}`,
      `addr add 198.51.100.1/30 dev ${this.link}`,
      `link set ${this.link} up`,
    ]
    await mustRun(this.exec, 'ip', ['-batch', '-'], { input: `${commands.join('\n')}\n` })
    const inside = ['addr add 198.51.100.2/30 dev eth0', 'link set eth0 up', 'link set lo up', 'route add default via 198.51.100.1']
    await mustRun(this.exec, 'ip', ['-netns', this.namespace, '-batch', '-'], { input: `${inside.join('\n')}\n` })
  }

  /** GETs `http://host:port/` this often from inside, each over its own connection; answers the bodies. */
  async ask(host: string, port: number, times: number): Promise<string[]> {
    const script = `
      import { get } from 'node:http'
      for (let i = 0; i < ${times}; i++) await new Promise((resolve, reject) => {
        const call = get({ host: ${JSON.stringify(host)}, port: ${port}, agent: false, timeout: 5000 }, (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (part) => { text += part }).on('end', () => { console.log(text.trim()); resolve() })
        })
        call.on('timeout', () => call.destroy(new Error('no answer within 5 s'))).on('error', reject)
      })`
    const net = `/run/netns/${this.namespace}`
    const printed = await mustRun(this.exec, 'nsenter', [`--net=${net}`, process.execPath, '--input-type=module', '-e', script], {
      timeoutMs: 60_000,
    })
    return printed.trim().split('\n')
  }

  async remove(): Promise<void> {
    const { stdout } = await this.exec.run('ip', ['netns', 'list'])
    if (stdout.split('\n').some((line) => line.split(' ')[0] === this.namespace)) {
      await mustRun(this.exec, 'ip', ['netns', 'delete', this.namespace])
    }
    // The namespace's end of the pair takes ours with it, but only once the kernel has taken the namespace down.
    const { code } = await this.exec.run('ip', ['link', 'show', 'dev', this.link])
    if (code === 0) await this.exec.run('ip', ['link', 'delete', this.link])
  }
}
