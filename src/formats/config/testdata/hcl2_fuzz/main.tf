terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

# A comment, then another kind
// of it
variable "region" {
  type    = string
  default = "eu-central-1"
}

variable "ports" {
  type    = list(number)
  default = [80, 443, -1, 1.50, 1e3]
}

locals {
  enabled = true
  nothing = null
  minus   = -5
  not     = !false
  sum     = 1 + 2 * var.n
  cond    = var.n > 2 ? "a" : "b"
  call    = max(1, 2, var.list...)
  splat   = aws_instance.web[*].id
  old     = aws_instance.web.*.id
  index   = var.map["key"].value[0]
  paren   = (1 + 2)
  for_l   = [for k, v in var.m : upper(v) if v != ""]
  for_o   = { for k, v in var.m : k => v... }
  escaped = "a\tb\n\"q\" \\ \u00e9 $${not} %%{not} plain $ and %"
  object = {
    plain    = 1
    "quoted" = 2
    (var.k)  = 3
    "${var.p}-x" = 4
    5 = "five"
    nested = { a = [1, { b = "c" }] }
    inline : "colon", last = true
  }
  empty_map  = {}
  empty_list = []
  empty_text = ""
}

resource "aws_s3_bucket" "logs" {
  bucket = "logs-${var.region}"
  acl    = "${var.acl}"
  tags = {
    Name = "a ${upper("b ${var.c}")} d"
  }
  policy = <<EOF2
{
  "Statement": "${var.s}",
  "Raw": "a\nb"
}
EOF2
  trimmed = <<-EOT
    first
      second ${var.x}

    third
  EOT
  loop   = "%{for x in var.list}<${x}>%{endfor}"
  choice = "x %{if var.a}yes%{else}no%{endif} y"
  only_if = "%{ if var.a ~}  yes  %{~ endif }"
  number_in = "n ${1} ${true} ${null}"
  tern_in = "x ${var.a ? "b" : "c"}"
  lifecycle { prevent_destroy = true }
  lifecycle {
    ignore_changes = [tags, acl]
  }
}

resource "aws_s3_bucket" "other" {
}

module net {
  source = "./net"
}
/* the
   end */
