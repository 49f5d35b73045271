import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually, run } from './harness/command.ts'
import { deployment, pod } from './harness/manifests.ts'

const image = 'ownkube.test/busybox:1'
const forever = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done']
let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('commands')
  await cluster.importBusybox(image)
})
afterAll(async () => {
  await cluster?.remove()
})

/** As on a command line; double quotes hold words together. */
const wordsOf = (line: string): string[] => (line.match(/(?:[^\s"]|"[^"]*")+/g) ?? []).map((word) => word.replaceAll('"', ''))

/** One kubectl after another, each with what it must print. */
async function session(lines: readonly (readonly [string, RegExp | string])[]): Promise<void> {
  for (const [line, answer] of lines) {
    const { stdout, stderr } = await cluster.kubectl(wordsOf(line))
    const said = stdout + stderr
    if (typeof answer === 'string') expect(said, line).toBe(`${answer}\n`)
    else expect(said, line).toMatch(answer)
  }
}

async function withEditor(editor: string, line: string): Promise<void> {
  const child = spawn(cluster.programs.kubectl, ['--kubeconfig', cluster.kubeconfig, ...wordsOf(line)], {
    env: { ...process.env, EDITOR: editor, HOME: cluster.folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (part) => {
    said += part
  })
  const [code] = (await once(child, 'close')) as [number]
  expect({ code, said }).toEqual({ code: 0, said: '' })
}

describe('kubectl create', () => {
  it('makes one of each of its kinds', () =>
    session([
      ['create namespace made', 'namespace/made created'],
      ['create namespace made', 'Error from server (AlreadyExists): namespaces "made" already exists'],
      ['create configmap c --from-literal=a=b -n made', 'configmap/c created'],
      ['create secret generic s --from-literal=a=b -n made', 'secret/s created'],
      ['create secret docker-registry d --docker-username=u --docker-password=p -n made', 'secret/d created'],
      ['create serviceaccount robot -n made', 'serviceaccount/robot created'],
      ['create role reader --verb=get,list --resource=pods,pods/log -n made', 'role.rbac.authorization.k8s.io/reader created'],
      ['create rolebinding read --role=reader --serviceaccount=made:robot -n made', 'rolebinding.rbac.authorization.k8s.io/read created'],
      ['create clusterrole made --verb=get --resource=nodes', 'clusterrole.rbac.authorization.k8s.io/made created'],
      ['create clusterrolebinding made --clusterrole=made --user=jane', 'clusterrolebinding.rbac.authorization.k8s.io/made created'],
      ['auth can-i get nodes --as=jane', /^yes\n/],
      ['auth can-i list pods -n made --as=system:serviceaccount:made:robot', 'yes'],
      ['create deployment d --image=nobody/nothing --replicas=0 --port=80 -n made', 'deployment.apps/d created'],
      ['create cronjob c --image=nobody/nothing --schedule="0 0 1 1 *" -n made -- true', 'cronjob.batch/c created'],
      ['create job j --image=nobody/nothing -n made -- true', 'job.batch/j created'],
      ['create job by-hand --from=cronjob/c -n made', 'job.batch/by-hand created'],
      ['get job by-hand -n made -o jsonpath={.metadata.ownerReferences[0].kind}', /^CronJob$/],
      ['create service clusterip c --tcp=80:8080 -n made', 'service/c created'],
      ['create service nodeport n --tcp=80 -n made', 'service/n created'],
      ['create service loadbalancer l --tcp=80 -n made', 'service/l created'],
      ['create service externalname e --external-name=example.com -n made', 'service/e created'],
      ['create ingress i --rule=example.com/path*=c:80,tls=my-cert --class=none -n made', 'ingress.networking.k8s.io/i created'],
      ['create poddisruptionbudget p --selector=app=d --min-available=50% -n made', 'poddisruptionbudget.policy/p created'],
      ['create priorityclass made --value=1000 --description=high', 'priorityclass.scheduling.k8s.io/made created'],
      ['create quota q --hard=pods=10,cpu=4 -n made', 'resourcequota/q created'],
      ['create token robot -n made --duration=10m', /^[\w-]+\.[\w-]+\.[\w-]+$/],
      ['get services -n made --sort-by=.metadata.name -o name', 'service/c\nservice/e\nservice/l\nservice/n'],
      ['get services -n made --chunk-size=2 --no-headers -o custom-columns=N:.metadata.name', 'c\ne\nl\nn'],
      ['get configmap c -n made -o yaml --show-managed-fields', /manager: kubectl-create/],
      ['delete namespace made --wait=false', 'namespace "made" deleted'],
      ['delete clusterrole,clusterrolebinding,priorityclass made --ignore-not-found', /clusterrole.*"made" deleted/],
    ]))

  it('says what is wrong with what it is given', () =>
    session([
      [
        'create deployment Bad_Name --image=x',
        /^error: failed to create deployment: Deployment\.apps "Bad_Name" is invalid: \[?metadata\.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain/,
      ],
      ['create service clusterip c --tcp=99999', /error: /],
      ['create quota q --hard=pods=many', /quantities must match|unable to parse/],
      ['create -f /dev/null', 'error: no objects passed to create'],
      ['get nothing', 'error: the server doesn\'t have a resource type "nothing"'],
      ['get pod nobody', 'Error from server (NotFound): pods "nobody" not found'],
      ['get pods -n nowhere', 'No resources found in nowhere namespace.'],
      ['get pods --field-selector=spec.colour=red', /field label not supported: spec\.colour/],
      ['get pods -l a=b=c', /unable to parse|found '=', expected/],
      ['delete pod nobody', 'Error from server (NotFound): pods "nobody" not found'],
      ['label node nobody a=b', 'Error from server (NotFound): nodes "nobody" not found'],
      ['scale deployment nobody --replicas=1', /deployments\.apps "nobody" not found/],
    ]))
})

describe('kubectl set, rollout, autoscale', () => {
  it('changes a workload bit by bit and takes it back', async () => {
    await cluster.apply(deployment('web', 1, { image, command: forever }))
    const path = '.spec.template.spec'
    await session([
      ['rollout status deployment/web --timeout=60s', /successfully rolled out/],
      ['rollout pause deployment/web', 'deployment.apps/web paused'],
      ['set env deployment/web COLOUR=red', 'deployment.apps/web env updated'],
      ['set env deployment/web --list', /^# Deployment web, container main\nCOLOUR=red\n$/],
      ['set resources deployment/web --limits=cpu=200m,memory=64Mi', 'deployment.apps/web resource requirements updated'],
      ['create serviceaccount other', 'serviceaccount/other created'],
      ['set serviceaccount deployment/web other', 'deployment.apps/web serviceaccount updated'],
      ['rollout history deployment/web', /^REVISION {2}CHANGE-CAUSE\n1 +<none>\n/m],
      ['rollout resume deployment/web', 'deployment.apps/web resumed'],
      ['rollout status deployment/web --timeout=60s', /successfully rolled out/],
      ['rollout history deployment/web --revision=2', /Environment:\s+COLOUR:\s+red/],
      ['set image deployment/web main=ownkube.test/none:1', 'deployment.apps/web image updated'],
      ['rollout undo deployment/web', /^deployment.apps\/web rolled back\n/],
      [
        `get deployment web -o jsonpath={${path}.containers[0].image},{${path}.serviceAccountName},{${path}.containers[0].resources.limits.cpu}`,
        /^ownkube\.test\/busybox:1,other,200m$/,
      ],
      ['rollout restart deployment/web', 'deployment.apps/web restarted'],
      ['rollout status deployment/web --timeout=60s', /successfully rolled out/],
      ['expose deployment web --port=80 --target-port=8080', 'service/web exposed'],
      ['set selector service web app=other', 'service/web selector updated'],
      ['get service web -o jsonpath={.spec.selector}', /^\{"app":"other"\}$/],
      ['autoscale deployment web --min=1 --max=3 --cpu=50%', 'horizontalpodautoscaler.autoscaling/web autoscaled'],
      ['get hpa web', /^NAME +REFERENCE +TARGETS +MINPODS +MAXPODS +REPLICAS +AGE\nweb +Deployment\/web +cpu: <unknown>\/50% +1 +3 +0 /],
      ['create role r --verb=get --resource=pods', 'role.rbac.authorization.k8s.io/r created'],
      ['create rolebinding b --role=r --user=a', 'rolebinding.rbac.authorization.k8s.io/b created'],
      ['set subject rolebinding b --user=jane --group=dev', 'rolebinding.rbac.authorization.k8s.io/b subjects updated'],
      ['get rolebinding b -o jsonpath={.subjects[*].name}', /^a jane dev$/],
      ['delete deployment,service,hpa web', /deployment\.apps "web" deleted/],
    ])
  })
})

describe('kubectl apply', () => {
  it('shows, sets and edits what was last applied', async () => {
    const file = join(cluster.folder, 'last.json')
    const manifest = (colour: string): string =>
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'last' }, data: { colour } })
    await cluster.apply(manifest('red'))
    await session([['apply view-last-applied configmap/last -o json', /"colour": "red"/]])
    writeFileSync(file, manifest('blue'))
    await session([
      [`apply set-last-applied -f ${file}`, 'configmap/last configured'],
      ['apply view-last-applied configmap last', /colour: blue/],
    ])
    await withEditor('sed -i s/blue/green/', 'apply edit-last-applied configmap/last')
    await session([
      ['apply view-last-applied configmap/last', /colour: green/],
      ['get configmap last -o jsonpath={.data.colour}', /^red$/],
      ['delete configmap last', /deleted/],
    ])
  })
})

describe('kubectl and the cluster', () => {
  it('cluster-info, its dump, version, config and completion', async () => {
    const folder = join(cluster.folder, 'dump')
    mkdirSync(folder)
    await cluster.apply(pod('talks', [{ image, command: ['sh', '-c', 'echo hello from within; sleep 600'] }]))
    await session([
      ['wait --for=condition=Ready pod/talks --timeout=60s', 'pod/talks condition met'],
      ['cluster-info', /Kubernetes control plane.* is running at .*https:\/\//],
      [`cluster-info dump --output-directory=${folder} --namespaces=default`, `Cluster info dumped to ${folder}`],
    ])
    expect(JSON.parse(readFileSync(join(folder, 'nodes.json'), 'utf8'))).toMatchObject({ kind: 'NodeList', items: [{}] })
    expect(readFileSync(join(folder, 'default', 'talks', 'logs.txt'), 'utf8')).toContain('hello from within')
    await session([
      ['version -o json', /"gitVersion": "v1\.37/],
      ['config current-context', /\S/],
      ['completion bash', /__start_kubectl/],
      ['plugin list', /error: unable to find any kubectl plugins/],
      ['options', /The following options can be passed to any command/],
      ['get --raw /readyz', /^ok$/],
      ['get --raw /nothing', /Error from server \(NotFound\)/],
      ['top nodes', 'error: Metrics API not available'],
      ['delete pod talks --grace-period=0 --force', /force deleted/],
    ])
  })

  it('cordon, taint, label and annotate a node', async () => {
    const node = (await cluster.must(['get', 'nodes', '-o', 'name'])).trim()
    const name = node.slice('node/'.length)
    await session([
      [`cordon ${name}`, `${node} cordoned`],
      [`cordon ${name}`, `${node} already cordoned`],
      ['get nodes', /Ready,SchedulingDisabled/],
      [`uncordon ${name}`, `${node} uncordoned`],
      [`taint node ${name} a=b:PreferNoSchedule`, `${node} tainted`],
      [`taint node ${name} a:PreferNoSchedule-`, `${node} untainted`],
      [`taint node ${name} a=b:Whenever`, /error: invalid taint effect: Whenever/],
      [`label node ${name} disk=fast`, `${node} labeled`],
      [`label node ${name} disk=slow`, /already has a value \(fast\), and --overwrite is false/],
      [`annotate node ${name} note=1`, `${node} annotated`],
      [`describe node ${name}`, /Labels: .*\n(.*\n)*? +disk=fast/],
      [`label node ${name} disk-`, `${node} unlabeled`],
    ])
  })

  it('attaches to a container that reads what it is told', async () => {
    await cluster.apply(pod('echo', [{ image, command: ['sh', '-c', 'while read line; do echo "you said $line"; done'], stdin: true }]))
    await cluster.must(['wait', '--for=condition=Ready', 'pod/echo', '--timeout=60s'])
    const child = spawn(cluster.programs.kubectl, ['--kubeconfig', cluster.kubeconfig, 'attach', 'echo', '-i', '-q'])
    let said = ''
    child.stdout.on('data', (part) => {
      said += part
    })
    const end = once(child, 'close')
    try {
      child.stdin.write('good morning\n')
      await eventually(async () => expect(said).toContain('you said good morning'))
    } finally {
      child.kill()
      await end
    }
    await session([
      ['logs echo', 'you said good morning'],
      ['delete pod echo --grace-period=1', /deleted/],
    ])
  })

  it('certificate deny', async () => {
    const key = join(cluster.folder, 'jane.key')
    const made = await run('openssl', [
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-subj',
      '/CN=jane',
    ])
    const request = Buffer.from(made.stdout).toString('base64')
    const spec = { request, signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] }
    const manifest = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name: 'jane' }, spec }
    await cluster.must(['create', '-f', '-'], { input: JSON.stringify(manifest) })
    await session([
      ['get csr jane', /jane +\S+ +kubernetes\.io\/kube-apiserver-client +\S+ +<none> +Pending/],
      ['certificate deny jane', 'certificatesigningrequest.certificates.k8s.io/jane denied'],
      ['get csr jane', /Denied/],
      ['certificate approve jane', /error: certificate signing request "jane" is already Denied|Denied/],
      ['delete csr jane', /deleted/],
    ])
  })
})

describe('the list of commands', () => {
  it('has nothing that no test has driven', async () => {
    const { stdout } = await run(cluster.programs.kubectl, ['--help'])
    const commands = [...stdout.matchAll(/^ {2}([a-z-]+) {2,}[A-Z]/gm)].map(([, command]) => command as string)
    expect(commands.length).toBeGreaterThan(35)
    const files = [
      'access',
      'apiserver-kubectl',
      'bad-input',
      'debug',
      'every-kind',
      'kubectl',
      'kubectl-commands',
      'kubectl-more',
      'streams',
    ]
    const tests = files.map((file) => readFileSync(new URL(`${file}.test.ts`, import.meta.url), 'utf8')).join('\n')
    const local = new Set(['kuberc']) // asks no server anything
    const undriven = commands.filter((command) => !local.has(command) && !new RegExp(`['"\`]${command}['" ]`).test(tests))
    expect(undriven).toEqual([])
  })
})
