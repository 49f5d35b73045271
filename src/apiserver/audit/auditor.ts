import type { Clock } from '../../host/clock.ts'
import type { Log } from '../../host/log.ts'
import { headOf } from '../../host/metric-families.ts'
import type { Random } from '../../host/random.ts'
import type { ApiRequest } from '../../machinery/api-request.ts'
import type { Route } from '../route.ts'
import { AuditLog } from './audit-log.ts'
import { type AuditLevel, type AuditPolicy, AuditRules } from './audit-policy.ts'
import { AuditRecord } from './audit-record.ts'
import { RotatingFile, type RotationLimits, standardOutput } from './rotating-file.ts'

export interface AuditOptions {
  readonly policy: AuditPolicy
  /** `-`: standard output. */
  readonly path: string
  readonly limits: RotationLimits
}

interface Deps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Tells of requests what the policy asks for (https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/). */
export class Auditor {
  readonly #rules: AuditRules
  readonly #log: AuditLog
  readonly #deps: Deps
  readonly #levels = new Map<AuditLevel, number>()

  static async open({ policy, path, limits }: AuditOptions, deps: Deps): Promise<Auditor> {
    const sink = path === '-' ? standardOutput : await RotatingFile.open(path, limits, deps.clock)
    return new Auditor(new AuditRules(policy), new AuditLog(sink, deps.log), deps)
  }

  private constructor(rules: AuditRules, log: AuditLog, deps: Deps) {
    this.#rules = rules
    this.#log = log
    this.#deps = deps
  }

  /** Undefined: nothing is told of this request. */
  begin(route: Route, request: ApiRequest): AuditRecord | undefined {
    // By who asks, not by whom they ask to be.
    const decision = this.#rules.decide(request.origin?.impersonator ?? request.user, route)
    this.#levels.set(decision.level, (this.#levels.get(decision.level) ?? 0) + 1)
    if (decision.level === 'None') return undefined
    const { clock, random } = this.#deps
    return new AuditRecord(decision, route, request, { log: this.#log, clock, newId: () => random.uuid() })
  }

  close(): Promise<void> {
    return this.#log.close()
  }

  /** Under upstream's names. */
  lines(): string[] {
    return [
      ...headOf('apiserver_audit_event_total', 'counter', 'Audit events that were made.'),
      `apiserver_audit_event_total ${this.#log.events}`,
      ...headOf('apiserver_audit_error_total', 'counter', 'Audit events that were lost.'),
      `apiserver_audit_error_total{plugin="log"} ${this.#log.lost}`,
      ...headOf('apiserver_audit_level_total', 'counter', 'Requests by the level at which they are told.'),
      ...[...this.#levels].map(([level, count]) => `apiserver_audit_level_total{level="${level}"} ${count}`),
    ]
  }
}
