/** The fake cloud keeps the port's contract: what is proved on it would hold on a driver. */

import { cloudContract } from '../../contract/cloud.ts'
import { fakeHarness } from '../../support/fake-harness.ts'

cloudContract('fake', async () => fakeHarness())
