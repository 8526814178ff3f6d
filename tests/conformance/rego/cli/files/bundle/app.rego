package app.rules

allow if data.roles[input.user][_] == "admin"
