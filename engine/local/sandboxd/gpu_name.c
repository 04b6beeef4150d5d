/* Is this the name of a GPU's device, and of which? */
#include "engine/local/sandboxd/gpu.h"
#include "engine/local/sandboxd/limits.h"

int64_t box_gpu_index(struct slice name)
{
    int64_t index = -1;
    if (!slice_starts(name, BOX_GPU_PREFIX))
        return -1;
    struct slice digits = slice_skip(name, strlen(BOX_GPU_PREFIX));
    if (digits.n > 1 && digits.p[0] == '0')
        return -1;
    return text_parse_i64(digits, 0, BOX_GPU_INDEX_MAX, &index) ? index : -1;
}
