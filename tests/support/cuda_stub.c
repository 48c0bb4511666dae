/* A CUDA driver that only describes GPUs: as many, and of the kind, as it was compiled for. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int visible(void) {
    const char *list = getenv("CUDA_VISIBLE_DEVICES");
    if (list == NULL) return COUNT;
    int seen = *list != '\0';
    for (; *list; list++) seen += *list == ',';
    return seen < COUNT ? seen : COUNT;
}

int cuInit(unsigned int flags) { return flags ? 1 : visible() ? 0 : 100; }
int cuDeviceGetCount(int *count) { *count = visible(); return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return index < visible() ? 0 : 101; }
int cuDeviceGetName(char *name, int size, int device) {
    strncpy(name, NAME, (size_t)size);
    return device < visible() ? 0 : 101;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = MEMORY; return device < visible() ? 0 : 101; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? MAJOR : attribute == 76 ? MINOR : 0;
    return device < visible() ? 0 : 101;
}
int cuDeviceGetPCIBusId(char *address, int size, int device) {
    snprintf(address, (size_t)size, "0000:%02x:00.0", device);
    return device < visible() ? 0 : 101;
}
