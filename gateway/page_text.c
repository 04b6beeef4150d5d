/* What do the gateway's own pages say, and in which language? */
#include "gateway/page_text.h"

static const struct page_text english = {
    .language = "en",
    .notebook = "notebook",
    .cluster = "Ray cluster",
    .service = "service",
    .before = "The ",
    .is_starting = " is starting",
    .is_suspended = " is suspended",
    .is_silent = " is not answering",
    .starting = "Starting",
    .suspended = "Suspended",
    .not_running = "Not running",
    .steps = {[PROGRESS_PLACE] = "Room and volumes",
              [PROGRESS_IMAGE] = "Image and container",
              [PROGRESS_ANSWER] = "JupyterLab answers"},
    .ray_answers = "Ray's dashboard and Jobs API answer",
    .done = ": done",
    .waited_for = ": waiting for it",
    .begun = "Begun ",
    .seconds_ago = " s ago.",
    .minutes_ago = " minutes ago.",
    .start = "Start it",
    .console = "the console",
    .more = {"This page loads itself again until it answers. More about it is in ", "."},
    .see = {"Or see it in ", "."},
    .silent = {"It may be stopped or still starting. Start it, or see what it waits for, in ",
               ", then load this page again."},
};

static const struct page_text chinese = {
    .language = "zh-CN",
    .notebook = "笔记本",
    .cluster = "Ray 集群",
    .service = "服务",
    .before = "",
    .is_starting = " 正在启动",
    .is_suspended = " 已暂停",
    .is_silent = " 没有应答",
    .starting = "启动中",
    .suspended = "已暂停",
    .not_running = "未运行",
    .steps =
        {[PROGRESS_PLACE] = "资源与存储卷", [PROGRESS_IMAGE] = "镜像与容器", [PROGRESS_ANSWER] = "JupyterLab 应答"},
    .ray_answers = "Ray 仪表盘与作业 API 应答",
    .done = "：已完成",
    .waited_for = "：等待中",
    .begun = "已等待 ",
    .seconds_ago = " 秒。",
    .minutes_ago = " 分钟。",
    .start = "启动",
    .console = "控制台",
    .more = {"本页会自动刷新，直到有应答。详情见", "。"},
    .see = {"也可以在", "中查看。"},
    .silent = {"它可能已停止，或仍在启动。可在", "中启动它或查看它在等待什么，然后重新加载本页。"},
};

/* "zh", "zh-CN", "zh-Hans-CN"; not "zhx". */
static bool is_language(struct slice range, const char *primary)
{
    struct slice rest;
    return slice_is_nocase(slice_split(range, '-', &rest), primary);
}

const struct page_text *page_text_for(const struct http_fields *fields)
{
    const struct header *accepted = http_fields_find(fields, "Accept-Language");
    struct slice rest = accepted ? accepted->value : (struct slice){0};
    while (rest.n > 0) {
        struct slice weight;
        struct slice range = slice_trim(slice_split(slice_split(rest, ',', &rest), ';', &weight));
        weight = slice_trim(weight);
        if (slice_is_nocase(weight, "q=0") || slice_is_nocase(weight, "q=0.0") || slice_is_nocase(weight, "q=0.00") ||
            slice_is_nocase(weight, "q=0.000"))
            continue;
        if (is_language(range, "zh"))
            return &chinese;
        if (is_language(range, "en"))
            return &english;
    }
    return &english;
}
