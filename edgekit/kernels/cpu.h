/* Which of the instruction sets of edgekit/kernels/levels.py this processor, and its system, can run. */
#if defined(__x86_64__)
static int cpu_rank(void) {
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                     __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt");
    const int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
                       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
                       __builtin_cpu_supports("avx512vnni");
    return avx2 ? (avx512 ? 2 : 1) : 0;
}
#else
static int cpu_rank(void) { return 0; }
#endif
int edgekit_cpu_rank(void) { return cpu_rank(); }
