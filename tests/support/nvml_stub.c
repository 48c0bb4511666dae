/* NVML as far as it tells the memory of GPUs, which cuda_stub.c puts on the bus one after the other. */
#include <stdio.h>

typedef struct { unsigned long long total, free, used; } Memory;

static int devices[COUNT];

int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetHandleByPciBusId_v2(const char *address, void **device) {
    int index = -1;
    if (sscanf(address, "0000:%x:00.0", &index) != 1 || index < 0 || index >= COUNT) return 6;
    devices[index] = index;
    *device = &devices[index];
    return 0;
}
int nvmlDeviceGetMemoryInfo(void *device, Memory *memory) {
    unsigned long long used = USED + (unsigned long long)*(int *)device;
    *memory = (Memory){MEMORY, MEMORY - used, used};
    return 0;
}
