import { request } from 'node:http'

/** One GET over a connection of its own, so that each is balanced anew. Rejects after `timeoutMs`. */
export function ask(host: string, port: number, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host, port, path: '/', agent: false, timeout: timeoutMs }, (response) => {
      let text = ''
      response
        .setEncoding('utf8')
        .on('data', (part: string) => {
          text += part
        })
        .on('end', () => resolve(text.trim()))
        .on('error', reject)
    })
    call.on('timeout', () => call.destroy(new Error(`no answer from ${host}:${port} within ${timeoutMs} ms`)))
    call.on('error', reject).end()
  })
}

/** How many of the answers each pod gave; answers look like `HOSTNAME:<pod> IP:<address>`. */
export function tally(answers: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const answer of answers) {
    const pod = /^HOSTNAME:(\S+) IP:(\S+)$/.exec(answer)?.[1]
    if (pod === undefined) throw new Error(`an answer that no demo pod gives: ${JSON.stringify(answer)}`)
    counts.set(pod, (counts.get(pod) ?? 0) + 1)
  }
  return counts
}
