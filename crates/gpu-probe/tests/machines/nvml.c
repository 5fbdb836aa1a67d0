/* A stand-in for NVIDIA's libnvidia-ml.so.1, for tests alone: it plays the machine that STUB_MACHINE names, or else the
 * one that it was compiled for with -DMACHINE_NAME.
 *
 * Only what landfall-gpu calls is here, and what NVIDIA's own tools for containers and Kubernetes call for GPUs that are
 * not divided. Layouts of structures are those of NVIDIA's header nvml.h. With -DOLD_DRIVER, functions are left out that
 * drivers before 510 do not have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, BAD_ARGUMENT = 2, UNSUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, SHORT = 7, LOST = 15, MISMATCH = 18, DEPRECATED = 26 };
#define MIB (1ull << 20)

typedef struct gpu {
    const char *name, *uuid, *bus;
    int major, minor;
    unsigned long long memory_mib;
    int mig, mig_devices, links, vgpu, lost, errors, process;
} gpu;

static const gpu L4S[] = {
    {"NVIDIA L4", "GPU-00000000-0000-0000-0000-000000000001", "00000000:01:00.0", 8, 9, 23034, .process = 4242},
    {"NVIDIA L4", "GPU-00000000-0000-0000-0000-000000000002", "00000000:02:00.0", 8, 9, 23034},
};
static const gpu A100[] = {
    {"NVIDIA A100-SXM4-40GB", "GPU-00000000-0000-0000-0000-000000000001", "00000000:01:00.0", 8, 0, 40960, .mig = 1,
     .mig_devices = 3},
};
#define H100(n) {"NVIDIA H100 80GB HBM3", "GPU-00000000-0000-0000-0000-00000000000" #n, "00000000:0" #n ":00.0", 9, 0, 81559, .links = 18}
static const gpu H100S[] = {H100(1), H100(2), H100(3), H100(4), H100(5), H100(6), H100(7), H100(8)};
#define B200(n) {"NVIDIA B200", "GPU-00000000-0000-0000-0000-00000000000" #n, "00000000:0" #n ":00.0", 10, 0, 183359, .links = 18}
static const gpu B200S[] = {B200(1), B200(2), B200(3), B200(4), B200(5), B200(6), B200(7), B200(8)};
static const gpu MIXED[] = {
    {"NVIDIA H200", "GPU-00000000-0000-0000-0000-000000000001", "00000000:01:00.0", 9, 0, 143771},
    {"Tesla V100-PCIE-32GB", "GPU-00000000-0000-0000-0000-000000000002", "00000000:02:00.0", 7, 0, 32768},
};
static const gpu ERRORS[] = {
    {"NVIDIA A100-SXM4-40GB", "GPU-00000000-0000-0000-0000-000000000001", "00000000:01:00.0", 8, 0, 40960, .errors = 1},
};
static const gpu LOST_GPU[] = {
    {"NVIDIA L4", "GPU-00000000-0000-0000-0000-000000000001", "00000000:01:00.0", 8, 9, 23034},
    {"NVIDIA L4", "GPU-00000000-0000-0000-0000-000000000002", "00000000:02:00.0", 8, 9, 23034, .lost = 1},
};
static const gpu OLD[] = {
    {"Tesla T4", "GPU-00000000-0000-0000-0000-000000000001", "00000000:01:00.0", 7, 5, 15360},
};
static const gpu VGPU[] = {
    {"GRID A100-10C", "GPU-00000000-0000-0000-0000-000000000001", "00000000:01:00.0", 8, 0, 10240, .vgpu = 1},
};
static const gpu NEWER[] = {
    {"NVIDIA X1000", "GPU-00000000-0000-0000-0000-000000000001", "00000000:01:00.0", 14, 0, 1048576},
};

#define MACHINE(n, list, driver, cuda) {n, list, sizeof list / sizeof *list, driver, cuda}
static const struct machine {
    const char *name;
    const gpu *gpus;
    unsigned count;
    const char *driver;
    int cuda;
} MACHINES[] = {
    MACHINE("two-l4", L4S, "580.159.04", 13000),
    MACHINE("a100-mig", A100, "570.133.20", 12080),
    MACHINE("h100-nvswitch", H100S, "580.159.04", 13000),
    MACHINE("b200-nvswitch", B200S, "580.159.04", 13000),
    MACHINE("mixed", MIXED, "580.159.04", 13000),
    MACHINE("ecc-errors", ERRORS, "580.159.04", 13000),
    MACHINE("lost", LOST_GPU, "580.159.04", 13000),
    MACHINE("old-driver", OLD, "470.256.02", 11040),
    MACHINE("vgpu", VGPU, "570.133.20", 12080),
    MACHINE("newer", NEWER, "700.12.01", 14020),
};
static const struct machine *machine;

static int is(const char *name) { return machine != NULL && strcmp(machine->name, name) == 0; }

static int start(void) {
    const char *name = getenv("STUB_MACHINE");
#ifdef MACHINE_NAME
    if (name == NULL) name = MACHINE_NAME;
#endif
    if (name == NULL) abort();
    if (strcmp(name, "hangs") == 0) for (;;) pause();
    if (strcmp(name, "crashes") == 0) abort();
    if (strcmp(name, "ends") == 0) _exit(0);
    if (strcmp(name, "floods") == 0) for (;;) puts("a library that talks on standard output");
    if (strcmp(name, "denied") == 0) return NO_PERMISSION;
    if (strcmp(name, "mismatch") == 0) return MISMATCH;
    for (size_t i = 0; i < sizeof MACHINES / sizeof *MACHINES; i++)
        if (strcmp(MACHINES[i].name, name) == 0) machine = &MACHINES[i];
    return machine == NULL ? 999 : OK;
}
int nvmlInit_v2(void) { return start(); }
int nvmlShutdown(void) { return OK; }

static int copy(char *to, unsigned length, const char *from) {
    if (strlen(from) >= length) return SHORT;
    strcpy(to, from);
    return OK;
}
int nvmlSystemGetDriverVersion(char *to, unsigned length) { return copy(to, length, machine->driver); }
int nvmlSystemGetNVMLVersion(char *to, unsigned length) { return copy(to, length, machine->driver); }
int nvmlSystemGetCudaDriverVersion(int *to) { return *to = machine->cuda, OK; }
int nvmlSystemGetCudaDriverVersion_v2(int *to) { return *to = machine->cuda, OK; }
int nvmlDeviceGetCount_v2(unsigned *to) { return *to = machine->count, OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, const gpu **to) {
    if (index >= machine->count) return BAD_ARGUMENT;
    return *to = &machine->gpus[index], OK;
}

/* MIG devices are their GPU's handle and their number. */
static struct part { const gpu *of; unsigned number; } PARTS[8];
static const struct part *part(const void *handle) {
    const struct part *p = handle;
    return p >= PARTS && p < PARTS + 8 ? p : NULL;
}
/* What every call says of a lost GPU. */
#define ANSWERS(g) if (part(g) == NULL && (g)->lost) return LOST

int nvmlDeviceGetName(const gpu *g, char *to, unsigned length) {
    if (part(g)) return copy(to, length, "NVIDIA A100-SXM4-40GB MIG 1g.5gb");
    return copy(to, length, g->name);
}
int nvmlDeviceGetUUID(const gpu *g, char *to, unsigned length) {
    char uuid[64];
    if (part(g) == NULL) return copy(to, length, g->uuid);
    snprintf(uuid, sizeof uuid, "MIG-00000000-0000-0000-0000-00000000000%u", part(g)->number);
    return copy(to, length, uuid);
}
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char address[32]; } pci;
static int fill(pci *to, const char *address) {
    memset(to, 0, sizeof *to);
    strcpy(to->address, address);
    return OK;
}
int nvmlDeviceGetPciInfo_v3(const gpu *g, pci *to) { return fill(to, g->bus); }
int nvmlDeviceGetMinorNumber(const gpu *g, unsigned *to) { ANSWERS(g); return *to = g - machine->gpus, OK; }
int nvmlDeviceGetCudaComputeCapability(const gpu *g, int *major, int *minor) {
    ANSWERS(g);
    return *major = g->major, *minor = g->minor, OK;
}
#ifndef OLD_DRIVER
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory;
int nvmlDeviceGetMemoryInfo_v2(const gpu *g, memory *to) {
    ANSWERS(g);
    unsigned long long total = (part(g) ? 4864 : g->memory_mib) * MIB;
    unsigned long long used = part(g) == NULL && g->process ? 2048 * MIB : 0;
    return to->total = total, to->reserved = 512 * MIB, to->used = used, to->free = total - used - 512 * MIB, OK;
}
typedef struct { unsigned pid; unsigned long long used; unsigned instance, compute; } process;
int nvmlDeviceGetComputeRunningProcesses_v3(const gpu *g, unsigned *count, process *to) {
    ANSWERS(g);
    unsigned has = g->process ? 2 : 0, room = *count;
    *count = has;
    if (has == 0) return OK;
    if (room < has) return SHORT;
    to[0] = (process){g->process, 2000 * MIB, ~0u, ~0u};
    to[1] = (process){g->process + 1, ~0ull, ~0u, ~0u};
    return OK;
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(const gpu *g, unsigned *count, process *to) {
    ANSWERS(g);
    (void)to;
    return *count = 0, OK;
}
int nvmlDeviceGetVirtualizationMode(const gpu *g, int *to) {
    ANSWERS(g);
    return *to = is("newer") ? 9 : g->vgpu ? 2 : 0, OK;
}
#endif
int nvmlDeviceGetComputeMode(const gpu *g, int *to) { ANSWERS(g); return *to = is("newer") ? 7 : 0, OK; }
int nvmlDeviceGetPersistenceMode(const gpu *g, int *to) { ANSWERS(g); return *to = 1, OK; }

int nvmlDeviceGetMigMode(const gpu *g, unsigned *current, unsigned *pending) {
    ANSWERS(g);
    if (g->major < 8 || g->vgpu || g->minor == 9) return UNSUPPORTED;
    return *current = *pending = g->mig, OK;
}
int nvmlDeviceGetMaxMigDeviceCount(const gpu *g, unsigned *to) { ANSWERS(g); return *to = 7, OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(const gpu *g, unsigned index, const void **to) {
    ANSWERS(g);
    if ((int)index >= g->mig_devices) return NOT_FOUND;
    PARTS[index] = (struct part){g, index + 1};
    return *to = &PARTS[index], OK;
}
typedef struct { unsigned sm, copy, dec, enc, jpeg, ofa, slices, compute; unsigned long long mib; } attributes;
int nvmlDeviceGetAttributes_v2(const gpu *g, attributes *to) {
    if (part(g) == NULL) return UNSUPPORTED;
    memset(to, 0, sizeof *to);
    return to->sm = 14, to->slices = 1, to->compute = 1, to->mib = 4864, OK;
}
typedef struct { unsigned id, p2p, slices, instances, sm, copy, dec, enc, jpeg, ofa; unsigned long long mib; } profile;
int nvmlDeviceGetGpuInstanceProfileInfo(const gpu *g, unsigned kind, profile *to) {
    ANSWERS(g);
    memset(to, 0, sizeof *to);
    if (is("newer")) {
        if (kind == 20) return to->id = 77, to->slices = 5, to->instances = 1, to->sm = 99, to->mib = 4096, OK;
        return kind < 17 ? UNSUPPORTED : BAD_ARGUMENT;
    }
    static const struct { unsigned kind, id, slices, instances, sm, mib; } A100_PROFILES[] = {
        {0, 19, 1, 7, 14, 4864}, {1, 14, 2, 3, 28, 9856}, {2, 9, 3, 2, 42, 19968},
        {3, 5, 4, 1, 56, 19968}, {4, 0, 7, 1, 98, 40192}, {7, 20, 1, 1, 14, 4864}, {9, 15, 1, 4, 14, 9856},
    };
    if (g->memory_mib != 40960) return UNSUPPORTED;
    for (size_t i = 0; i < sizeof A100_PROFILES / sizeof *A100_PROFILES; i++) {
        if (A100_PROFILES[i].kind != kind) continue;
        to->id = A100_PROFILES[i].id, to->slices = A100_PROFILES[i].slices, to->sm = A100_PROFILES[i].sm;
        return to->instances = A100_PROFILES[i].instances, to->mib = A100_PROFILES[i].mib, OK;
    }
    return kind < 17 ? UNSUPPORTED : BAD_ARGUMENT;
}

int nvmlDeviceGetEccMode(const gpu *g, int *current, int *pending) {
    ANSWERS(g);
    if (g->vgpu) return UNSUPPORTED;
    return *current = *pending = 1, OK;
}
int nvmlDeviceGetTotalEccErrors(const gpu *g, int type, int counter, unsigned long long *to) {
    ANSWERS(g);
    if (g->vgpu) return UNSUPPORTED;
    return *to = g->errors ? (type == 1 ? 3 : 40) + 100 * counter : 0, OK;
}
typedef struct {
    unsigned id, scope;
    long long time, latency;
    unsigned type, result;
    union { double d; unsigned u; unsigned long long l; } value;
} value;
int nvmlDeviceGetFieldValues(const gpu *g, int count, value *values) {
    ANSWERS(g);
    for (int i = 0; i < count; i++) {
        unsigned id = values[i].id, is_row = id >= 142 && id <= 145, is_page = id >= 29 && id <= 31;
        values[i].type = 1, values[i].result = OK, values[i].value.u = 0;
        if (is("newer")) values[i].type = 12;
        if ((g->major >= 8 && is_page) || (g->major < 8 && is_row) || g->vgpu || !(is_row || is_page))
            values[i].result = UNSUPPORTED;
        if (g->errors && (id == 143 || id == 144)) values[i].value.u = 1;
    }
    return OK;
}
int nvmlDeviceGetNvLinkState(const gpu *g, unsigned link, int *to) {
    ANSWERS(g);
    if (g->links == 0) return UNSUPPORTED;
    if ((int)link >= g->links) return BAD_ARGUMENT;
    return *to = 1, OK;
}
int nvmlDeviceGetNvLinkVersion(const gpu *g, unsigned link, unsigned *to) {
    ANSWERS(g);
    (void)link;
    return *to = 7, OK;
}
int nvmlDeviceGetNvLinkRemotePciInfo_v2(const gpu *g, unsigned link, pci *to) {
    static const char *const SWITCHES[] = {"00000000:21:00.0", "00000000:22:00.0", "00000000:23:00.0", "00000000:24:00.0"};
    ANSWERS(g);
    return fill(to, SWITCHES[link % 4]);
}
#define NUMBER(function, answer) int function(const gpu *g, unsigned *to) { ANSWERS(g); return *to = (answer), OK; }
NUMBER(nvmlDeviceGetPowerUsage, 71500)
NUMBER(nvmlDeviceGetPowerManagementLimit, 400000)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, 400000)
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit, 400000)
int nvmlDeviceGetPowerManagementLimitConstraints(const gpu *g, unsigned *low, unsigned *high) {
    ANSWERS(g);
    return *low = 100000, *high = 400000, OK;
}
int nvmlDeviceGetTemperature(const gpu *g, int sensor, unsigned *to) {
    ANSWERS(g);
    (void)sensor;
    return *to = is("mixed") ? 95 : 36, is("newer") ? 77 : OK;
}
int nvmlDeviceGetTemperatureThreshold(const gpu *g, int kind, unsigned *to) {
    static const unsigned DEGREES[] = {92, 89, 95, 85};
    ANSWERS(g);
    if (kind > 3) return UNSUPPORTED;
    return *to = DEGREES[kind], OK;
}
int nvmlDeviceGetClockInfo(const gpu *g, int clock, unsigned *to) { ANSWERS(g); return *to = 345 + 10 * clock, OK; }
int nvmlDeviceGetMaxClockInfo(const gpu *g, int clock, unsigned *to) { ANSWERS(g); return *to = 1980 + 10 * clock, OK; }
int nvmlDeviceGetDisplayMode(const gpu *g, int *to) { ANSWERS(g); return *to = 0, is("newer") ? DEPRECATED : OK; }
int nvmlDeviceGetDisplayActive(const gpu *g, int *to) { ANSWERS(g); return *to = 0, OK; }

/* What NVIDIA's tools for containers and Kubernetes call beside these. */
#ifndef OLD_DRIVER
int nvmlInitWithFlags(unsigned flags) { (void)flags; return start(); }
const char *nvmlErrorString(int result) { return result == UNSUPPORTED ? "Not Supported" : "another error"; }
int nvmlDeviceGetHandleByUUID(const char *uuid, const gpu **to) {
    for (unsigned i = 0; i < machine->count; i++)
        if (strcmp(machine->gpus[i].uuid, uuid) == 0) return *to = &machine->gpus[i], OK;
    return NOT_FOUND;
}
int nvmlDeviceGetIndex(const gpu *g, unsigned *to) { ANSWERS(g); return *to = g - machine->gpus, OK; }
/* Below one host bridge. */
int nvmlDeviceGetTopologyCommonAncestor(const gpu *g, const gpu *other, int *to) { (void)other; ANSWERS(g); return *to = 30, OK; }
int nvmlDeviceIsMigDeviceHandle(const gpu *g, unsigned *to) { return *to = part(g) != NULL, OK; }
typedef struct { unsigned long long total, free, used; } old_memory;
int nvmlDeviceGetMemoryInfo(const gpu *g, old_memory *to) {
    memory now;
    ANSWERS(g);
    nvmlDeviceGetMemoryInfo_v2(g, &now);
    return to->total = now.total, to->free = now.free, to->used = now.used, OK;
}
#endif
