/* What a host can do, measured: both print one number, or a line on standard error and return 1. */
#ifndef BERTH_VM_MEASURE_H
#define BERTH_VM_MEASURE_H

/* Instructions a second in a guest of KVM's. /dev/kvm may open and be of no use: where KVM is emulated itself. */
int probe_kvm(void);

/* The frequency of the time stamp counter in kHz, which a guest cannot always find out. */
int measure_tsc(void);

#endif
