import type { UserInfo } from '../../machinery/api-request.ts'

/** An object by name and uid: one of the same name that came later is another. */
export interface Identity {
  readonly name: string
  readonly uid: string
}

export function serviceAccountUserName(namespace: string, serviceAccount: string): string {
  return `system:serviceaccount:${namespace}:${serviceAccount}`
}

export const serviceAccountGroups = (namespace: string): string[] => ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]

/** Whoever shows a token of the account. */
export function serviceAccountUser(namespace: string, { name, uid }: Identity, extra: UserInfo['extra']): UserInfo {
  return {
    name: serviceAccountUserName(namespace, name),
    uid,
    groups: [...serviceAccountGroups(namespace), 'system:authenticated'],
    extra,
  }
}
