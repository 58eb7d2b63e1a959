import { join } from 'node:path';
import { type ContainerId, type Timeline, writeFileAtomic } from '../../base/index.ts';
import type { Hypervisor } from '../hypervisor.ts';
import type { QemuHost } from '../qemu-host.ts';
import { encodeVmPlan, VM_PLAN_FILE, type VmMachine } from '../vm-plan.ts';
import { changeComputer } from './changes/change-computer.ts';
import { type ComputerBody, computerMachine } from './computer-plan.ts';
import type {
  ComputerChanges,
  ComputerLayout,
  ComputerRequest,
  Computers,
  DeviceCounts,
  Hardware,
  LaidOutComputer,
  PreparedComputer,
  WantedComputer,
} from './contract.ts';
import { findUefi, provideVariables, requireMicrovmBios, type UefiFirmware } from './firmware.ts';
import { type Ground, layoutOf, requireSameComputer } from './layout.ts';
import { leasesOf } from './leases.ts';
import { requirePossible } from './limits.ts';
import type { ComputerMonitor } from './monitor.ts';
import { surveyComputer } from './survey.ts';

/** The computers of an instance, each a QEMU. */
export class QemuComputers implements Computers {
  readonly runtime: Computers['runtime'];
  readonly #host: QemuHost;

  constructor(host: QemuHost) {
    this.runtime = { path: host.program, args: [] };
    this.#host = host;
  }

  async check(hardware: Hardware, devices: DeviceCounts, signal?: AbortSignal): Promise<void> {
    requirePossible(hardware, devices);
    await Promise.all([this.#host.hypervisor(undefined, signal), firmwareFor(hardware)]);
  }

  async prepare(
    request: ComputerRequest,
    timeline: Timeline,
    signal?: AbortSignal,
  ): Promise<PreparedComputer> {
    requirePossible(request.hardware, countsOf(request));
    const body = await timeline.step('hardware', () => this.#body(request, signal));
    await timeline.step('plan', () => this.#writePlan(request, computerMachine(request, body)));
    return { accelerator: body.layout.accelerator };
  }

  async checkResume(layout: ComputerLayout, computer: LaidOutComputer, signal?: AbortSignal): Promise<void> {
    const { ground } = await this.#stand(signal);
    requireSameComputer(layout, computer, ground);
  }

  async change(
    wanted: WantedComputer,
    monitor: ComputerMonitor,
    signal?: AbortSignal,
  ): Promise<ComputerChanges> {
    await this.check(wanted.hardware, countsOf({ ...wanted, media: [] }), signal);
    return changeComputer(wanted, monitor);
  }

  survey(monitor: ComputerMonitor): Promise<ComputerLayout> {
    return surveyComputer(monitor);
  }

  async release(id: ContainerId): Promise<void> {
    await this.#host.users.release(id);
  }

  async #body(request: ComputerRequest, signal?: AbortSignal): Promise<ComputerBody> {
    const [{ hypervisor, ground }, uefi] = await Promise.all([
      this.#stand(signal),
      firmwareFor(request.hardware),
    ]);
    if (request.resume !== undefined) requireSameComputer(request.resume.layout, request, ground);
    if (uefi !== undefined) await provideVariables(request.variables, uefi.variables);
    return { hypervisor, uefi, layout: request.resume?.layout ?? layoutOf(request, ground) };
  }

  async #stand(signal?: AbortSignal): Promise<{ hypervisor: Hypervisor; ground: Ground }> {
    const hypervisor = await this.#host.hypervisor(undefined, signal);
    const accelerator = await this.#host.probe.accelerator();
    const host = this.#host.resources();
    return { hypervisor, ground: { hypervisor: hypervisor.version, accelerator: accelerator.name, host } };
  }

  async #writePlan(request: ComputerRequest, machine: VmMachine): Promise<void> {
    const { id, directory, network, controlGroups } = request;
    const plan = encodeVmPlan({
      machines: [machine],
      uidBase: await this.#host.users.take(id),
      network: network === undefined ? undefined : { ...network, leases: leasesOf(request) },
      cgroups: controlGroups,
    });
    // Whole at any moment: a supervisor may be restarting it.
    await writeFileAtomic(join(directory, VM_PLAN_FILE), plan);
  }
}

async function firmwareFor({ model, firmware }: Hardware): Promise<UefiFirmware | undefined> {
  if (model === 'microvm') await requireMicrovmBios();
  return firmware === 'uefi' ? findUefi() : undefined;
}

function countsOf({
  disks,
  media,
  cards,
}: Record<'disks' | 'media' | 'cards', readonly unknown[]>): DeviceCounts {
  return { disks: disks.length, media: media.length, cards: cards.length };
}
