/** A quota has changed since it was looked at: to be looked at and charged again. */
export class QuotaRaceError extends Error {
  readonly quota: string
  constructor(key: string) {
    const quota = key.slice(key.lastIndexOf('/') + 1)
    super(`quota ${quota} has changed at the same moment`)
    this.name = 'QuotaRaceError'
    this.quota = quota
  }
}
