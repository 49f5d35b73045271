import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { defaultName } from '../cluster/config.ts'
import { kubernetesVersion } from '../cluster/version.ts'
import { canonicalCidr } from '../machinery/ip-address.ts'
import { parseIpv4 } from '../machinery/ipv4.ts'
import { paint } from './colors.ts'
import { exitCodes } from './exit-codes.ts'
import { exitCodeOf, messageOf } from './failure.ts'
import { policyOptions } from './policy-flags.ts'

/** Parses the command line, runs the command, and answers the exit code. Commands' own modules load when they run. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  // A reader that has seen enough (`| head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok)
    throw error
  })
  const program = buildProgram()
  try {
    await program.parseAsync(argv)
    return typeof process.exitCode === 'number' ? process.exitCode : exitCodes.ok
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    process.stderr.write(`${paint('red', 'error:', process.stderr)} ${messageOf(error)}\n`)
    return exitCodeOf(error)
  }
}

function buildProgram(): Command {
  const program = new Command('ownkube')
    .description('A whole Kubernetes in TypeScript: boots a real one-node cluster on this machine.')
    .version(`ownkube 0.1.0, Kubernetes API ${kubernetesVersion}`, '--version', 'print the version')
    .exitOverride()
    .showSuggestionAfterError(true)
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', footer)
  addBootCommands(program)
  addLookCommands(program)
  addAskCommands(program)
  addBackupCommands(program)
  addImageCommands(program)
  addProxyCommand(program)
  hintAtHelp(program, 'ownkube')
  return program
}

/** A command used wrongly says where its own help is. */
function hintAtHelp(command: Command, path: string): void {
  command.showHelpAfterError(`Run '${path} --help' for what there is.`)
  for (const inner of command.commands) hintAtHelp(inner, `${path} ${inner.name()}`)
}

const footer = `
Examples:
  sudo ./ownkube demo            boot a cluster and see Services at work
  sudo ./ownkube up              boot a cluster in the background
  kubectl --context ownkube get nodes
  sudo ./ownkube down            stop it; data stays
  sudo ./ownkube down --delete   stop it and remove its data

Exit codes:
  0 done   1 failed   2 wrong usage   3 the cluster is not running
  69 programs are missing   77 needs root`

const named = (command: Command): Command =>
  command
    .addOption(new Option('--name <name>', 'which cluster; several can live side by side').default(defaultName).argParser(clusterName))
    .addOption(new Option('--data-dir <path>', 'where its data lies (default: /var/lib/ownkube/NAME)'))

function addBootCommands(program: Command): void {
  const bootOptions = (command: Command): Command =>
    named(command)
      .addOption(new Option('--api-port <port>', 'port of the API server (default: 6443)').argParser(port))
      .addOption(
        new Option(
          '--pod-cidr <cidr>',
          'addresses of pods (default: 10.244.0.0/16), IPv6 ones too after a comma; fixed at the first boot',
        ).argParser(cidrs),
      )
      .addOption(
        new Option(
          '--service-cidr <cidr>',
          'addresses of Services (default: 10.96.0.0/16), IPv6 ones too after a comma; fixed at the first boot',
        ).argParser(cidrs),
      )
      .addOption(
        new Option('--service-node-port-range <from-to>', 'ports for NodePort Services (default: 30000-32767)').argParser(portRange),
      )
      .addOption(new Option('--event-ttl <duration>', 'how long Events are kept (default: 1h0m0s)').argParser(duration))
      .addOption(
        new Option('--max-requests-inflight <number>', 'reads that the API server serves at one time (default: 400)').argParser(atLeastOne),
      )
      .addOption(
        new Option(
          '--max-mutating-requests-inflight <number>',
          'writes likewise; priority levels share out the sum (default: 200)',
        ).argParser(atLeastOne),
      )
      .addOption(
        new Option('--proxy-mode <mode>', 'what programs the rules of Services; none: a proxy of your own (default: nftables)').choices([
          'nftables',
          'iptables',
          'none',
        ]),
      )
      .option('--socket-lb', "translate pods' connections to Services at the socket, by eBPF, where the kernel can do it")
      .option('--no-socket-lb', 'translate packets alone (the default)')
      .addOption(new Option('--node-name <name>', "the node's name (default: this machine's); fixed at the first boot"))
      .addOption(
        new Option('--datastore <urls>', 'etcd to keep objects in, such as https://a:2379,https://b:2379 (default: a folder)').argParser(
          datastoreUrls,
        ),
      )
      .addOption(new Option('--datastore-cafile <path>', "who has signed etcd's certificates"))
      .addOption(new Option('--datastore-certfile <path>', 'certificate to show to etcd'))
      .addOption(new Option('--datastore-keyfile <path>', 'key of that certificate'))
      .addOption(new Option('--datastore-prefix <prefix>', 'what keys in etcd begin with (default: /ownkube)').argParser(keyPrefix))
      .option('--server-only', 'no node on this machine: the API server, controllers and scheduler alone; fixed at the first boot')
      .option('--no-install', 'never install anything; list what is missing and end with 69')
  policyOptions(bootOptions(program.command('up')), duration)
    .summary('boot the cluster, or find it running')
    .description(
      'Boots a one-node cluster in the background and waits until its node is Ready. Run again, it finds the running cluster and starts whatever part of it has died. Adds the context "ownkube" (or "ownkube-NAME") to your kubeconfig.',
    )
    .option('--foreground', 'stay, show the log, and take the cluster down at Ctrl-C')
    .action(async (options) => await (await import('./up-command.ts')).upCommand(options))
  bootOptions(program.command('demo'))
    .summary('boot a cluster and show Services at work')
    .description(
      'Boots a cluster, builds a little server image from local files, runs three pods of it behind a ClusterIP and a NodePort Service, sends requests from the node, from a pod and from outside, and shows which pod answered how often.',
    )
    .addOption(new Option('--requests <number>', 'how many requests from each place').default(30).argParser(count))
    .addOption(new Option('-o, --output <format>', 'how to print the answers').choices(['text', 'json']).default('text'))
    .action(async (options) => await (await import('./demo-command.ts')).demoCommand(options))
  named(program.command('down'))
    .summary('stop the cluster and clean up after it')
    .description(
      'Stops all pods and processes of the cluster and removes every rule, link, mount, cgroup and namespace that it made. Its data stays: the next "up" brings the same objects back.',
    )
    .option('--delete', 'remove its data and its kubeconfig context too')
    .action(async (options) => await (await import('./down-command.ts')).downCommand(options))
}

function addLookCommands(program: Command): void {
  named(program.command('status'))
    .summary('show components, node, versions and addresses')
    .description(
      'Shows whether the cluster runs: its processes and since when, its node, versions and addresses. Ends with 3 if it does not run.',
    )
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['text', 'json']).default('text'))
    .action(async (options) => {
      process.exitCode = await (await import('./status-command.ts')).statusCommand(options)
    })
  named(program.command('logs'))
    .summary("print the log of the cluster's components")
    .description('Prints the log of one component, or of all together.')
    .addArgument(
      program.createArgument(
        '[component]',
        'server, agent or containerd; or a part: apiserver, storage, controllers, scheduler, kubelet, proxy',
      ),
    )
    .option('-f, --follow', 'go on as lines come')
    .addOption(new Option('-n, --tail <lines>', 'only the last lines').argParser(count))
    .action(async (component: string | undefined, options) => await (await import('./logs-command.ts')).logsCommand(component, options))
  named(program.command('kubeconfig'))
    .summary('print the administrator kubeconfig')
    .description('Prints a kubeconfig with full rights on the cluster, for KUBECONFIG or other tools.')
    .action(async (options) => await (await import('./kubeconfig-command.ts')).kubeconfigCommand(options))
}

function addAskCommands(program: Command): void {
  const asked = (command: Command): Command =>
    named(command)
      .addOption(new Option('--kubeconfig <file>', 'ask about this cluster instead, of which this machine is a node'))
      .addOption(new Option('--node <name>', "this machine's node in that cluster (default: its host name)"))
  asked(program.command('trace'))
    .summary('tell where a packet to a Service goes, and why')
    .description(
      "Walks the first packet of a connection through the rules that are really in the kernel of this node, everybody's, and tells in plain words where it goes: which Service, which policy, which endpoints with what share, whether its source is masqueraded, or what rejects or drops it.",
    )
    .argument('<client>', 'who sends: a pod (namespace/name), node, outside, or outside:ADDRESS')
    .argument('<target>', 'where to: a Service (namespace/name, with :port if it has several) or address:port')
    .addOption(new Option('--protocol <protocol>', 'tcp, udp or sctp (default: that of the Service port)').choices(['tcp', 'udp', 'sctp']))
    .option('--ipv6', "to the Service's IPv6 address")
    .option('--rules', 'show the rules that decide')
    .option('--live', 'then follow real packets through the rules, by the tracing of the kernel')
    .addOption(new Option('--packets <number>', 'how many packets --live follows').default(10).argParser(atLeastOne))
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['text', 'json']).default('text'))
    .action(
      async (client: string, target: string, options) => await (await import('./trace-command.ts')).traceCommand(client, target, options),
    )
  asked(program.command('services'))
    .summary('list Services with their endpoints and connections')
    .description(
      'Lists the Services as this node sees them: type, addresses inside and outside, endpoints and their state (an arrow where this node sends new connections), and how many connections and packets go there now.',
    )
    .argument('[service]', 'only this one: namespace/name')
    .option('-w, --watch', 'go on, every second')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['text', 'json']).default('text'))
    .action(async (service: string | undefined, options) => await (await import('./services-command.ts')).servicesCommand(service, options))
}

function addBackupCommands(program: Command): void {
  named(program.command('backup'))
    .summary('save all objects of the cluster in a file')
    .description(
      'Saves all objects as of one moment, Secrets included, in a file that only its owner may read. The cluster may be running: it is not held up. Certificates and containers are no part of it.',
    )
    .argument('<file>', 'where to')
    .option('--overwrite', 'replace the file if it is there')
    .action(async (file: string, options) => await (await import('./backup-command.ts')).backupCommand(file, options))
  named(program.command('restore'))
    .summary('put the objects of a backup in the place of the present ones')
    .description(
      'Replaces all objects of a cluster that is down by those of a backup. The backup is checked as a whole first. When the cluster is up again, everyone who watches it lists anew, as Kubernetes clients do by themselves.',
    )
    .argument('<file>', "what 'ownkube backup' has written")
    .option('--overwrite', 'go on although the cluster has objects: they are replaced')
    .option('--force', 'go on although servers seem to use the etcd: they must be started anew afterwards')
    .action(async (file: string, options) => await (await import('./backup-command.ts')).restoreCommand(file, options))
}

function addImageCommands(program: Command): void {
  const image = program
    .command('image')
    .summary('build, import and list images')
    .description('Images of the cluster: built from a folder without Docker, imported from an archive, listed.')
  named(image.command('build'))
    .summary('build an image from a folder')
    .description(
      'Builds an OCI image from the files of a folder. Its image.json says how it runs (entrypoint, cmd, env, user, workingDir, exposedPorts), what it stands on ("base": "busybox" for this machine\'s static busybox) and where the files go ("to": "/app"). Without --output the image is imported into the cluster.',
    )
    .argument('<folder>', 'the root file system of the image')
    .requiredOption('-t, --tag <name>', 'name of the image, such as my-app:1')
    .option('-o, --output <file>', 'write the archive here instead of importing it')
    .action(async (folder: string, options) => await (await import('./image-command.ts')).buildCommand(folder, options))
  named(image.command('import'))
    .summary('import an image archive')
    .description('Imports an OCI or "docker save" archive (.tar).')
    .argument('<archive>', 'a tar file')
    .action(async (archive: string, options) => await (await import('./image-command.ts')).importCommand(archive, options))
  named(image.command('list'))
    .summary('list images')
    .description("Lists the images that the cluster's node has.")
    .action(async (options) => await (await import('./image-command.ts')).listCommand(options))
}

/** Its flags are kube-proxy's, which are not ours to declare: main.ts hands them over as they are. Here it is for the list of commands. */
function addProxyCommand(program: Command): void {
  program
    .command('proxy')
    .summary("serve any cluster's Services on this node, in kube-proxy's place")
    .description("Takes kube-proxy's flags: see 'ownkube proxy --help'.")
    .helpOption(false)
    .allowUnknownOption()
    .argument('[flags...]')
    .action(async (flags: string[]) => {
      process.exitCode = await (await import('./proxy-command.ts')).proxyCommand(flags)
    })
}

function clusterName(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError('A cluster name is at most 32 lower case letters, digits and dashes, such as "ci-1".')
  }
  return text
}

function port(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > 65535) throw new InvalidArgumentError('A port is a number from 1 to 65535.')
  return value
}

function portRange(text: string): { from: number; to: number } {
  const found = /^(\d+)-(\d+)$/.exec(text)
  const from = Number(found?.[1])
  const to = Number(found?.[2])
  if (!found || from < 1 || to > 65535 || from > to) throw new InvalidArgumentError('A range is two ports, such as 30000-32767.')
  return { from, to }
}

function datastoreUrls(text: string): string[] {
  const urls = text.split(',').map((url) => url.trim())
  for (const url of urls) {
    if (!/^https?:\/\/[^/?#@]+\/?$/.test(url) || !URL.canParse(url)) {
      throw new InvalidArgumentError('Members of an etcd, such as https://a:2379,https://b:2379.')
    }
  }
  return urls
}

function keyPrefix(text: string): string {
  if (!/^\/[\w./-]*\w$/.test(text)) throw new InvalidArgumentError('A prefix begins with a slash, such as /ownkube.')
  return text
}

/** Seconds of a duration such as 90s, 1h30m or 1h0m0s. */
function duration(text: string): number {
  const found = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text)
  const [hours = 0, minutes = 0, seconds = 0] = (found ?? []).slice(1).map((part) => Number(part ?? 0))
  const total = hours * 3600 + minutes * 60 + seconds
  if (!found || total === 0) throw new InvalidArgumentError('A duration is hours, minutes and seconds, such as 1h30m or 90s.')
  return total
}

/** IPv4, or IPv4 and IPv6. */
function cidrs(text: string): string {
  const [four = '', six, ...rest] = text.split(',')
  cidr(four)
  if (six === undefined) return four
  const bits = Number(six.split('/')[1])
  if (rest.length > 0 || !six.includes(':') || canonicalCidr(six) !== six || bits < 16 || bits > 120) {
    throw new InvalidArgumentError('A second range is IPv6 with 16 to 120 bits, as short as can be, such as fd00:10:244::/56.')
  }
  return text
}

function cidr(text: string): string {
  const [address = '', bits = '', ...rest] = text.split('/')
  const number = parseIpv4(address)
  const length = Number(bits)
  if (number === undefined || rest.length > 0 || !/^\d+$/.test(bits) || length < 12 || length > 24) {
    throw new InvalidArgumentError('An address range is IPv4 with 12 to 24 bits, such as 10.244.0.0/16.')
  }
  if (number % 2 ** (32 - length) !== 0)
    throw new InvalidArgumentError(`The range must begin at its first address: ${text} has host bits set.`)
  return text
}

function atLeastOne(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('A whole number, 1 or more.')
  return Number(text)
}

function count(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('A whole number, 0 or more.')
  return Number(text)
}
