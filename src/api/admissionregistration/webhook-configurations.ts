import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '../generated/types.ts'
import { webhooksFaults } from './webhook-validation.ts'

function setWebhookDefaults(webhook: ValidatingWebhook | MutatingWebhook): void {
  webhook.failurePolicy ??= 'Fail'
  webhook.matchPolicy ??= 'Equivalent'
  webhook.namespaceSelector ??= {}
  webhook.objectSelector ??= {}
  webhook.timeoutSeconds ??= 10
  if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443
  for (const rule of webhook.rules ?? []) rule.scope ??= '*'
}

const webhooksColumn = column<ValidatingWebhookConfiguration | MutatingWebhookConfiguration>(
  'Webhooks',
  'integer',
  'How many there are.',
  ({ webhooks }) => webhooks?.length ?? 0,
)

const row = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  namespaced: false,
  categories: ['api-extensions'],
  countsGeneration: true,
} as const

export const validatingWebhookConfigurations = defineKind<ValidatingWebhookConfiguration>({
  ...row,
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  columns: [nameColumn, webhooksColumn, ageColumn],
  setDefaults: ({ webhooks }) => {
    for (const webhook of webhooks ?? []) setWebhookDefaults(webhook)
  },
  validate: ({ webhooks = [] }) => [...webhooksFaults(webhooks)],
})

export const mutatingWebhookConfigurations = defineKind<MutatingWebhookConfiguration>({
  ...row,
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  columns: [nameColumn, webhooksColumn, ageColumn],
  setDefaults: ({ webhooks }) => {
    for (const webhook of webhooks ?? []) {
      setWebhookDefaults(webhook)
      webhook.reinvocationPolicy ??= 'Never'
    }
  },
  validate: ({ webhooks = [] }) => [...webhooksFaults(webhooks)],
})
