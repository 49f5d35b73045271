/**
 * `npm test`: everything. `npm test -- --unit` (npm run test:unit): what needs no root. Further words are passed to vitest as filters.
 * The last line is always `N passed, N failed`.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { busyboxRequirement, ensureRequirements, etcdctlRequirement, etcdRequirement } from '../src/cluster/requirements.ts'
import { systemExec } from '../src/host/exec.ts'

interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  success: boolean
  testResults: { name: string; status: string; assertionResults: { status: string }[] }[]
}

/** What the whole suite does more of than the quick one. */
const thorough = process.argv.includes('--unit') ? {} : { STORE_CRASH_ROUNDS: '500', API_FUZZ_INPUTS: '10000' }

const unitOnly = process.argv.includes('--unit')
const filters = process.argv.slice(2).filter((word) => word !== '--unit')
const reports = mkdtempSync(join(tmpdir(), 'ownkube-test-'))

function runProject(project: string): Promise<Report | undefined> {
  const file = join(reports, `${project}.json`)
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    project,
    '--passWithNoTests',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
    ...filters,
  ]
  return new Promise((resolve) => {
    spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...thorough, ...process.env } }).on('close', () => {
      try {
        resolve(JSON.parse(readFileSync(file, 'utf8')) as Report)
      } catch {
        resolve(undefined) // vitest itself broke: counted as a failure below
      }
    })
  })
}

/** A file that could not be loaded holds no tests, and is one failure. */
const failuresOf = (report: Report | undefined): number =>
  report === undefined
    ? 1
    : report.numFailedTests +
      report.testResults.filter(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0).length

/** What did not run is said: tests that compare with Kubernetes' published data need it at ../shared/k8s-data, some need root. */
function tellSkipped(report: Report | undefined): void {
  for (const { name, assertionResults } of report?.testResults ?? []) {
    const skipped = assertionResults.filter(({ status }) => status !== 'passed' && status !== 'failed')
    if (skipped.length > 0) console.log(`skipped: ${skipped.length} in ${relative(process.cwd(), name)}`)
  }
}

let passed = 0
let failed = 0
const skippedIn: (Report | undefined)[] = []
const projects = unitOnly ? ['unit'] : ['unit', 'e2e']
if (!unitOnly) {
  if (process.getuid?.() !== 0) {
    console.error("The whole suite runs real containers and needs root: 'sudo npm test'. Without root there is 'npm run test:unit'.")
    process.exit(77)
  }
  await ensureRequirements({
    exec: systemExec,
    say: (text) => console.error(text),
    install: true,
    extra: [busyboxRequirement, etcdRequirement, etcdctlRequirement],
  })
}
for (const project of projects) {
  const report = await runProject(project)
  passed += report?.numPassedTests ?? 0
  failed += failuresOf(report)
  skippedIn.push(report)
}
rmSync(reports, { recursive: true, force: true })
skippedIn.forEach(tellSkipped)
console.log(`\n${passed} passed, ${failed} failed`)
process.exit(failed === 0 && passed > 0 ? 0 : 1)
