/** What a flavor of Nova says of its GPUs. */

import { expect, it } from 'vitest'
import { gpusOf } from '../../../services/adapters/cloud/openstack/look-up.ts'

it.each<[string, Readonly<Record<string, string>>, number | undefined]>([
  ['nothing', {}, undefined],
  ['nothing of GPUs', { 'hw:cpu_policy': 'dedicated' }, undefined],
  ['two that are passed through', { 'pci_passthrough:alias': 'a100:2' }, 2],
  ['several kinds', { 'pci_passthrough:alias': 'a100:2,t4:1' }, 3],
  ['a virtual one', { 'resources:VGPU': '1' }, 1],
  ['both', { 'resources:VGPU': '1', 'pci_passthrough:alias': 'a100:2' }, 3],
  ['what is no number', { 'pci_passthrough:alias': 'a100:many' }, undefined],
])('%s', (_, specs, gpus) => {
  expect(gpusOf(specs)).toBe(gpus)
})
