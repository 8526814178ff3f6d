// What the API itself says, in both languages.

#include "platform/api/api_state.h"

namespace bulwark::api {

std::string_view StatusTitle(int status, Language language) {
  bool zh = language == Language::kChinese;
  switch (status) {
    case 400: return zh ? "请求有误" : "Bad Request";
    case 401: return zh ? "未登录" : "Unauthorized";
    case 403: return zh ? "没有权限" : "Forbidden";
    case 404: return zh ? "未找到" : "Not Found";
    case 405: return zh ? "不支持的方法" : "Method Not Allowed";
    case 409: return zh ? "冲突" : "Conflict";
    case 412: return zh ? "前提条件不成立" : "Precondition Failed";
    case 413: return zh ? "超出限制" : "Content Too Large";
    case 415: return zh ? "不支持的内容类型" : "Unsupported Media Type";
    case 429: return zh ? "请求过多" : "Too Many Requests";
    case 501: return zh ? "不支持" : "Not Implemented";
    case 503: return zh ? "暂不可用" : "Service Unavailable";
    default: return zh ? "内部错误" : "Internal Server Error";
  }
}

void AddMessages(Catalog& catalog) {
  catalog.Add("api.route", {"there is nothing at this path", "此路径不存在"});
  catalog.Add("api.method", {"this path takes {methods} only", "此路径只支持 {methods}"});
  catalog.Add("api.login", {"log in first", "请先登录"});
  catalog.Add("api.denied", {"this needs the right {permission}", "此操作需要 {permission} 权限"});
  catalog.Add("api.not_found",
              {"there is no such thing, or you may not see it", "不存在，或您无权查看"});
  catalog.Add("api.csrf", {"the header X-CSRF-Token is missing or wrong; reload the page",
                           "请求头 X-CSRF-Token 缺失或有误，请刷新页面"});
  catalog.Add("api.origin", {"the request comes from another site", "请求来自其他站点"});
  catalog.Add("api.rate",
              {"too many requests; try again in {seconds} s", "请求过多，请在 {seconds} 秒后重试"});
  catalog.Add("api.type", {"the body must be application/json", "请求体须为 application/json"});
  catalog.Add("api.json", {"the body is no JSON: {why}", "请求体不是合法的 JSON：{why}"});
  catalog.Add("api.schema",
              {"the body is not what this operation takes", "请求体不符合此操作的要求"});
  catalog.Add("api.parameter", {"a query parameter is missing or wrong", "查询参数缺失或有误"});
  catalog.Add("api.precondition", {"If-Match is none of our ETags", "If-Match 不是有效的 ETag"});
  catalog.Add("api.internal", {"something went wrong; the log says more under {id}",
                               "服务器内部出错，详情见日志 {id}"});
  catalog.Add("api.streams", {"too many open streams; try again in {seconds} s",
                              "打开的事件流过多，请在 {seconds} 秒后重试"});
  catalog.Add("api.field", {"there is no field {field}", "没有字段 {field}"});
  catalog.Add("api.fault.type", {"must be of type {expected}", "类型须为 {expected}"});
  catalog.Add("api.fault.enum", {"must be one of {expected}", "须为 {expected} 之一"});
  catalog.Add("api.fault.items", {"must have {min} to {max} items", "须有 {min} 到 {max} 项"});
  catalog.Add("api.fault.length",
              {"must have {min} to {max} characters", "长度须为 {min} 到 {max} 个字符"});
  catalog.Add("api.fault.pattern", {"must match {expected}", "须匹配 {expected}"});
  catalog.Add("api.fault.time", {"must be a time such as 2026-01-31T12:00:00Z",
                                 "须为时间，例如 2026-01-31T12:00:00Z"});
  catalog.Add("api.fault.range", {"must be from {min} to {max}", "须在 {min} 到 {max} 之间"});
  catalog.Add("api.fault.required", {"is required", "为必填项"});
  catalog.Add("api.fault.unknown", {"is not known", "未知字段"});
  catalog.Add("api.fault.meant",
              {"is not known; did you mean {meant}?", "未知字段，是否为 {meant}？"});
  catalog.Add("api.fault.any", {"is none of the forms that are taken", "不符合任何一种允许的形式"});
  catalog.Add("api.fault.depth", {"is nested too deeply", "嵌套过深"});
  catalog.Add("api.fault.twice", {"is given more than once", "重复出现"});
}

}  // namespace bulwark::api
