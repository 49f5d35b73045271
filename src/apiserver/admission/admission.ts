import type { AdmissionMetrics } from './admission-metrics.ts'
import { allPlugins, alwaysOn, offByDefault, resourceQuota } from './admission-plugins.ts'
import type { AdmissionFacts, AdmissionPlugin, AdmissionRequest } from './plugin.ts'

/** Which plug-ins there are, in their order. */
export type AdmissionPlugins = readonly AdmissionPlugin[]

export const defaultPlugins: AdmissionPlugins = allPlugins.filter(({ name }) => !offByDefault.has(name))

interface Deps {
  readonly facts: AdmissionFacts
  readonly metrics: AdmissionMetrics
}

/** All plug-ins that are on, as one: each of its steps throws the StatusError of the first that refuses. */
export class Admission {
  readonly #plugins: AdmissionPlugins
  readonly #providers: AdmissionPlugins
  readonly #formJudges: AdmissionPlugins
  readonly #mutators: AdmissionPlugins
  readonly #facts: AdmissionFacts
  readonly #metrics: AdmissionMetrics
  readonly countsQuotas: boolean

  constructor(plugins: AdmissionPlugins, { facts, metrics }: Deps) {
    this.#plugins = [...plugins, ...alwaysOn]
    this.#providers = plugins.filter(({ provide }) => provide !== undefined)
    this.#mutators = plugins.filter(({ mutate }) => mutate !== undefined)
    this.#formJudges = plugins.filter(({ judgeForm }) => judgeForm !== undefined)
    this.countsQuotas = plugins.includes(resourceQuota)
    this.#facts = facts
    this.#metrics = metrics
  }

  /** What has to be there before anything else is asked. */
  async provide(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.#providers) await plugin.provide?.(request, this.#facts)
  }

  /** Whether users' rules have changed the object. */
  admit(request: AdmissionRequest): boolean {
    this.#step('admit', request)
    const isMutated = this.#mutate(request)
    if (!isMutated) return false
    this.#step('admit', request)
    this.#mutate(request)
    return true
  }

  #mutate(request: AdmissionRequest): boolean {
    let isMutated = false
    for (const plugin of this.#mutators) if (plugin.mutate?.(request, this.#facts)) isMutated = true
    return isMutated
  }

  validate(request: AdmissionRequest): void {
    this.#step('validate', request)
  }

  /** Of a request whose form changes no object by itself. */
  judgeForm(request: AdmissionRequest & { readonly form: object }): void {
    for (const plugin of this.#formJudges) plugin.judgeForm?.(request, this.#facts)
  }

  #step(type: 'admit' | 'validate', request: AdmissionRequest): void {
    const { operation } = request
    const began = this.#metrics.nowMs()
    let last = began
    let running: AdmissionPlugin | undefined
    const ran = (rejected: boolean): void => {
      const now = this.#metrics.nowMs()
      if (running) this.#metrics.ran(running.name, type, operation, rejected, now - last)
      last = now
    }
    try {
      for (const plugin of this.#plugins) {
        if (!plugin[type]) continue
        running = plugin
        plugin[type](request, this.#facts)
        ran(false)
      }
    } catch (error) {
      ran(true)
      this.#metrics.stepped(type, operation, true, last - began)
      throw error
    }
    this.#metrics.stepped(type, operation, false, last - began)
  }
}
