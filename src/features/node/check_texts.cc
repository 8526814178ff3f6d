#include "features/node/check_texts.h"

namespace bulwark::node {
namespace {

constexpr Severity kHigh = Severity::kHigh, kMedium = Severity::kMedium, kLow = Severity::kLow,
                   kCritical = Severity::kCritical, kInfo = Severity::kInfo;

constexpr CheckText kTexts[] = {
    {"node-cgroup-v1", kLow, "health", "", "Node still uses cgroup v1", "节点仍在使用 cgroup v1",
     "The kernel's older cgroup interface is no longer developed; memory protection, swap control "
     "and "
     "pressure figures need version 2.",
     "旧版 cgroup 接口已停止发展；内存保护、交换控制与压力指标均依赖 v2。",
     "Boot with systemd.unified_cgroup_hierarchy=1 and use a container runtime with the systemd "
     "cgroup "
     "driver.",
     "以内核参数 systemd.unified_cgroup_hierarchy=1 启动，并让容器运行时使用 systemd cgroup "
     "驱动。"},
    {"node-clock", kMedium, "health", "", "Node's clock is not synchronised", "节点时钟未同步",
     "Certificates, tokens and the order of events across nodes rest on clocks that agree.",
     "证书、令牌以及跨节点的事件顺序都依赖一致的时钟。",
     "Run chrony or systemd-timesyncd with at least one reachable time server.",
     "运行 chrony 或 systemd-timesyncd，并配置至少一个可达的时间服务器。"},
    {"node-kernel-eol", kHigh, "security", "", "Kernel series is no longer maintained",
     "内核版本系列已停止维护",
     "Holes found in this series are not closed any more, and a container shares the kernel with "
     "its "
     "host.",
     "该系列的新漏洞不再修复，而容器与主机共享同一内核。",
     "Move to a long-term series that is maintained, or to the kernel of a supported distribution.",
     "升级到仍在维护的长期支持系列，或使用受支持发行版自带的内核。"},
    {"node-kubelet-anonymous-auth", kHigh, "access", "4.2.1", "kubelet answers anonymous requests",
     "kubelet 接受匿名请求",
     "Whoever reaches port 10250 can ask the kubelet without saying who they are.",
     "任何能访问 10250 端口的人无需身份即可请求 kubelet。",
     "Set authentication.anonymous.enabled: false in the kubelet's configuration and restart it.",
     "在 kubelet 配置中设置 authentication.anonymous.enabled: false 并重启。"},
    {"node-kubelet-authorization", kCritical, "access", "4.2.2", "kubelet allows every request",
     "kubelet 放行所有请求",
     "With AlwaysAllow anybody who is let in may run commands in every container of the node.",
     "授权模式为 AlwaysAllow 时，任何通过认证者都可在节点的所有容器中执行命令。",
     "Set authorization.mode: Webhook in the kubelet's configuration.",
     "在 kubelet 配置中设置 authorization.mode: Webhook。"},
    {"node-kubelet-client-ca", kHigh, "access", "4.2.3",
     "kubelet has no client certificate authority", "kubelet 未配置客户端 CA",
     "Without it the kubelet cannot tell the API server from anybody else.",
     "缺少客户端 CA 时，kubelet 无法区分 API Server 与其他访问者。",
     "Set authentication.x509.clientCAFile to the cluster's CA.",
     "将 authentication.x509.clientCAFile 设为集群 CA。"},
    {"node-kubelet-config-permissions", kMedium, "access", "4.1.9",
     "kubelet's configuration can be read or changed by others", "kubelet 配置文件权限过宽",
     "Who can change this file decides what the kubelet allows.",
     "能修改该文件的人即可决定 kubelet 允许什么。", "chown root:root and chmod 600 the file.",
     "将文件属主改为 root:root，权限改为 600。"},
    {"node-kubelet-event-qps", kLow, "security", "4.2.8",
     "kubelet's event rate is too low, or unlimited", "kubelet 事件速率过低或不受限",
     "Too low a rate drops events of interest; none at all lets one node flood the API server.",
     "速率过低会丢失重要事件；完全不限则单个节点可能压垮 API Server。",
     "Set eventRecordQPS to 50, or what the node's load asks for.",
     "将 eventRecordQPS 设为 50，或按节点负载设定。"},
    {"node-kubelet-iptables-chains", kLow, "network", "4.2.6",
     "kubelet does not keep its iptables chains", "kubelet 未维护 iptables 链",
     "Rules that other components rely on may be missing after somebody flushes the tables.",
     "规则被清空后，其他组件依赖的链可能缺失。", "Set makeIPTablesUtilChains: true.",
     "设置 makeIPTablesUtilChains: true。"},
    {"node-kubelet-kubeconfig-permissions", kHigh, "access", "4.1.5",
     "kubelet's kubeconfig can be read by others", "kubelet 的 kubeconfig 权限过宽",
     "Its credentials are the node's: who reads them acts as the node.",
     "其中的凭证即节点身份，读取者可冒充该节点。", "chown root:root and chmod 600 the file.",
     "将文件属主改为 root:root，权限改为 600。"},
    {"node-kubelet-pids-limit", kMedium, "resources", "4.2.13",
     "Pods may start any number of processes", "未限制 Pod 的进程数",
     "One pod can use up the process numbers of the whole node.",
     "单个 Pod 可能耗尽整个节点的进程号。", "Set podPidsLimit, to 4096 for example.",
     "设置 podPidsLimit，例如 4096。"},
    {"node-kubelet-protect-kernel-defaults", kMedium, "security", "",
     "kubelet changes kernel settings by itself", "kubelet 会自行修改内核参数",
     "With protectKernelDefaults the kubelet stops where sysctls differ from what it expects, "
     "instead "
     "of changing them unseen.",
     "启用 protectKernelDefaults 后，内核参数与预期不符时 kubelet 会报错停止，而不是悄悄修改。",
     "Set the sysctls that the kubelet expects (vm.overcommit_memory=1, kernel.panic=10, "
     "kernel.panic_on_oops=1), then protectKernelDefaults: true.",
     "先设置 kubelet "
     "期望的参数（vm.overcommit_memory=1、kernel.panic=10、kernel.panic_on_oops=1），"
     "再设置 protectKernelDefaults: true。"},
    {"node-kubelet-read-only-port", kHigh, "network", "4.2.4", "kubelet's read-only port is open",
     "kubelet 只读端口已开启",
     "Port 10255 tells anybody about pods, their environment and the node, without TLS and without "
     "asking who they are.",
     "10255 端口在无 TLS、无认证的情况下泄露 Pod、其环境以及节点信息。", "Set readOnlyPort: 0.",
     "设置 readOnlyPort: 0。"},
    {"node-kubelet-rotate-certificates", kMedium, "security", "4.2.10",
     "kubelet's client certificate is not rotated", "kubelet 未轮换客户端证书",
     "A certificate that is never renewed ends the node's work one day, and one that was stolen "
     "serves "
     "until then.",
     "证书不轮换最终会使节点失联，被窃取的证书也会一直有效到那时。",
     "Set rotateCertificates: true.", "设置 rotateCertificates: true。"},
    {"node-kubelet-seccomp-default", kMedium, "security", "4.2.14",
     "Pods run without seccomp unless they ask for it", "Pod 默认不启用 seccomp",
     "With seccompDefault every container gets the runtime's filter of system calls.",
     "启用 seccompDefault 后，每个容器默认获得运行时的系统调用过滤器。",
     "Set seccompDefault: true, after a look at workloads that need more.",
     "确认无特殊需求的工作负载后，设置 seccompDefault: true。"},
    {"node-kubelet-server-certificate", kMedium, "security", "4.2.11",
     "kubelet's server certificate is self-signed and not rotated",
     "kubelet 服务端证书为自签且不轮换",
     "The API server cannot tell such a kubelet from somebody in its place.",
     "API Server 无法将这样的 kubelet 与冒充者区分开。",
     "Set serverTLSBootstrap: true, and approve the certificate requests.",
     "设置 serverTLSBootstrap: true，并批准相应的证书请求。"},
    {"node-kubelet-streaming-timeout", kLow, "network", "4.2.5",
     "Idle connections to the kubelet never end", "kubelet 的空闲流式连接永不超时",
     "Forgotten exec and port-forward connections hold resources, and doors open.",
     "被遗忘的 exec 与端口转发连接会占用资源，也留下敞开的通道。",
     "Set streamingConnectionIdleTimeout to more than 0, such as 4h0m0s.",
     "将 streamingConnectionIdleTimeout 设为大于 0 的值，例如 4h0m0s。"},
    {"node-kubelet-tls-ciphers", kMedium, "network", "4.2.12", "kubelet accepts weak TLS ciphers",
     "kubelet 接受弱 TLS 加密套件",
     "Without a list of its own the kubelet also offers suites without forward secrecy or "
     "authenticated encryption.",
     "未指定套件列表时，kubelet 也会提供不具备前向保密或认证加密的套件。",
     "Set tlsCipherSuites to ECDHE suites with GCM or ChaCha20, or tlsMinVersion: VersionTLS13.",
     "将 tlsCipherSuites 限定为使用 GCM 或 ChaCha20 的 ECDHE 套件，或设置 tlsMinVersion: "
     "VersionTLS13。"},
    {"node-lsm", kMedium, "security", "", "Neither AppArmor nor SELinux is active",
     "未启用 AppArmor 或 SELinux",
     "A mandatory access control confines a process that has left its container.",
     "强制访问控制可约束逃逸出容器的进程。",
     "Boot with AppArmor or SELinux, and let the container runtime use it.",
     "启用 AppArmor 或 SELinux，并让容器运行时使用它。"},
    {"node-os-eol", kHigh, "security", "", "Operating system is no longer supported",
     "操作系统已停止支持", "No more security updates come for its packages.",
     "其软件包不再获得安全更新。", "Move the node to a supported release.",
     "将节点迁移到受支持的版本。"},
    {"node-runtime-socket", kCritical, "access", "",
     "Container runtime's socket is open to every user", "容器运行时套接字对所有用户开放",
     "Who may write to this socket starts privileged containers: that is root on the node.",
     "能写入该套接字者即可启动特权容器，等同于节点 root 权限。",
     "chmod 660 the socket and keep its group small.",
     "将套接字权限改为 660，并严格限制其用户组。"},
    {"node-swap", kLow, "resources", "", "Swap is on", "节点启用了交换分区",
     "Memory of pods, secrets included, may come to rest on a disk, and limits lose their meaning.",
     "Pod 的内存（包括密钥）可能写入磁盘，内存限制也失去意义。",
     "swapoff -a and remove it from /etc/fstab, or use encrypted swap with memorySwap configured.",
     "执行 swapoff -a 并从 /etc/fstab 移除，或使用加密交换并配置 memorySwap。"},
    {"node-sysctl-dmesg-restrict", kLow, "security", "", "Every user may read the kernel's log",
     "所有用户均可读取内核日志", "It tells of addresses and devices that help an attacker.",
     "其中的地址与设备信息有助于攻击者。",
     "sysctl -w kernel.dmesg_restrict=1, and keep it in /etc/sysctl.d.",
     "执行 sysctl -w kernel.dmesg_restrict=1，并写入 /etc/sysctl.d。"},
    {"node-sysctl-ip-forward", kLow, "network", "", "IP forwarding is not as this node needs it",
     "IP 转发设置与节点用途不符",
     "Nodes with pods must forward packets; other machines should not be routers.",
     "运行 Pod 的节点必须转发数据包，其他机器则不应充当路由器。",
     "sysctl -w net.ipv4.ip_forward=1 on nodes, =0 elsewhere, and keep it in /etc/sysctl.d.",
     "在节点上执行 sysctl -w net.ipv4.ip_forward=1，其他机器设为 0，并写入 /etc/sysctl.d。"},
    {"node-sysctl-kptr-restrict", kLow, "security", "", "Kernel addresses are shown",
     "内核地址可见", "They defeat the randomisation that makes exploits hard.",
     "会削弱使漏洞利用变难的地址随机化。",
     "sysctl -w kernel.kptr_restrict=1 (or 2), and keep it in /etc/sysctl.d.",
     "执行 sysctl -w kernel.kptr_restrict=1（或 2），并写入 /etc/sysctl.d。"},
    {"node-sysctl-unprivileged-bpf", kMedium, "security", "",
     "Unprivileged processes may load BPF programs", "非特权进程可加载 BPF 程序",
     "The verifier of BPF has been a way into the kernel more than once.",
     "BPF 校验器曾多次成为内核攻击入口。",
     "sysctl -w kernel.unprivileged_bpf_disabled=1, and keep it in /etc/sysctl.d.",
     "执行 sysctl -w kernel.unprivileged_bpf_disabled=1，并写入 /etc/sysctl.d。"},
    {"node-sysctl-unprivileged-userns", kInfo, "security", "",
     "Unprivileged processes may make user namespaces", "非特权进程可创建用户命名空间",
     "User namespaces open large parts of the kernel to everybody; some workloads (rootless "
     "builds, "
     "browsers) need them.",
     "用户命名空间使大量内核代码对所有人可达；但无根构建、浏览器等工作负载需要它。",
     "Where nothing needs them: kernel.unprivileged_userns_clone=0 or user.max_user_namespaces=0.",
     "若无需使用：设置 kernel.unprivileged_userns_clone=0 或 user.max_user_namespaces=0。"},
};

}  // namespace

const CheckText* FindText(std::string_view id) {
  for (const CheckText& text : kTexts) {
    if (text.id == id) return &text;
  }
  return nullptr;
}

}  // namespace bulwark::node
