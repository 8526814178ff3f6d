package   bad2
import data.x
p  if{ x==1;y:=2
 y==x}
