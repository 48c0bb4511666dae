/* A stand-in for the CUDA runtime on a machine without GPUs.
 *
 * DJL's MPI engine asks the CUDA runtime how many GPUs there are before it starts mpirun, and starts one rank per
 * GPU. This library answers with DJL_TRTLLM_STUB_GPUS (default 1) and pretends nothing else: no memory, no device.
 */
#include <stddef.h>
#include <stdlib.h>

int cudaGetDeviceCount(int *count) {
    const char *wanted = getenv("DJL_TRTLLM_STUB_GPUS");
    *count = wanted ? atoi(wanted) : 1;
    return 0;
}
int cudaRuntimeGetVersion(int *version) { *version = 12000; return 0; }
int cudaDriverGetVersion(int *version) { *version = 12000; return 0; }
int cudaSetDevice(int device) { (void)device; return 0; }
int cudaGetDevice(int *device) { *device = 0; return 0; }
int cudaMemGetInfo(size_t *available, size_t *total) { *available = 0; *total = 0; return 0; }
int cudaDeviceGetAttribute(int *value, int attribute, int device) {
    (void)attribute;
    (void)device;
    *value = 0;
    return 0;
}
const char *cudaGetErrorString(int error) { (void)error; return "no CUDA on this machine"; }
